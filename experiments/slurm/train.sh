#!/usr/bin/env bash
# One training over several hosts, a process for each GPU; see docs/clusters.md.
#
#     sbatch --nodes=2 experiments/slurm/train.sh --folder runs/big [options of jax-s4rl train]
#
#SBATCH --job-name=s4rl-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=s4rl-train-%j.log
set -euo pipefail
# Process 0 runs on the first host. Two jobs on one host get different ports.
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export COORDINATOR=${hosts%%$'\n'*}:$((20000 + SLURM_JOB_ID % 10000))
export PYTHON=${PYTHON:-python}
# Since Slurm 22.05, srun does not take this over by itself.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
# On the disk of the node: programs that were compiled for one kind of node may not run on another.
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-${TMPDIR:-/tmp}/jax_s4rl_$(id -u)}
# Every process needs its own number, which srun sets, so the command is put together there.
# shellcheck disable=SC2016
srun --kill-on-bad-exit=1 bash -c 'exec "$PYTHON" -m jax_s4rl.cli.train --resume-or-start \
    --cluster.coordinator "$COORDINATOR" --cluster.num-processes "$SLURM_NTASKS" \
    --cluster.process-id "$SLURM_PROCID" "$@"' train "$@"
