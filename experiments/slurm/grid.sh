#!/usr/bin/env bash
# The trials of an experiment, spread over the tasks of a Slurm job array; see docs/clusters.md.
#
#     sbatch --array=1-8 experiments/slurm/grid.sh NAME [options of the experiment]
#
#SBATCH --job-name=s4rl-grid
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=s4rl-grid-%A-%a.log
set -euo pipefail
name=${1:?give the name of an experiment, for instance umbrella}
shift
# Since Slurm 22.05, srun does not take this over by itself.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
# On the disk of the node: programs that were compiled for one kind of node may not run on another.
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-${TMPDIR:-/tmp}/jax_s4rl_$(id -u)}
srun "${PYTHON:-python}" -m "experiments.$name" --array "$@"
