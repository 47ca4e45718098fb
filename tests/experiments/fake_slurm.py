"""Stands in for Slurm on one machine: sbatch, srun and scontrol, as far as scripts here use them.

Unlike the real sbatch, this one waits for the end of the job, and its status is that of the job. It
can append options to a script, in FAKE_SLURM_OPTIONS, that make a training small.
"""

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.training import ports

# Options of sbatch that the scripts use; a misspelled one is refused, as by Slurm.
KNOWN = {
    "array",
    "cpus-per-task",
    "dependency",
    "gpus-per-node",
    "gpus-per-task",
    "job-name",
    "nodes",
    "ntasks",
    "ntasks-per-node",
    "open-mode",
    "output",
    "requeue",
    "signal",
    "time",
}


def install(folder):
    """Writes the three commands, `python` and `jax-s4rl` into a folder for PATH."""
    folder.mkdir()
    commands = {name: f"-m tests.experiments.fake_slurm {name}" for name in COMMANDS}
    commands |= {"python": "", "jax-s4rl": "-m jax_s4rl.cli.main"}
    for name, arguments in commands.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        path.chmod(0o755)


def parse(words):
    options = {}
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in KNOWN:
            sys.exit(f"fake sbatch: unknown option {word}")
        options[name] = value
    return options


def sbatch(arguments):
    place = next(number for number, word in enumerate(arguments) if not word.startswith("--"))
    script = Path(arguments[place])
    lines = re.findall(r"^#SBATCH (.*)$", script.read_text(), re.MULTILINE)
    options = parse([word for line in lines for word in shlex.split(line)])
    options |= parse(arguments[:place])
    nodes, each = int(options.get("nodes", 1)), int(options.get("ntasks-per-node", 1))
    job = ports.free() % 10_000
    common = os.environ | {
        "SLURM_JOB_ID": str(job),
        "SLURM_JOB_NODELIST": f"node[1-{nodes}]",
        "SLURM_NTASKS": str(nodes * each),
        "SLURM_CPUS_PER_TASK": options["cpus-per-task"],
    }
    extra = shlex.split(os.environ.get("FAKE_SLURM_OPTIONS", ""))
    log = options["output"].replace("%A", str(job)).replace("%j", str(job))
    with tempfile.TemporaryDirectory() as spool:
        # Slurm runs a copy, so a script that looks for files beside itself fails.
        copy = shutil.copy(script, Path(spool) / "slurm_script")
        command = ["bash", copy, *arguments[place + 1 :], *extra]

        def run(task):
            with open(log.replace("%a", task.get("SLURM_ARRAY_TASK_ID", "")), "a") as file:
                return subprocess.run(
                    command, env=common | task, stdout=file, stderr=subprocess.STDOUT
                ).returncode

        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            codes = list(pool.map(run, tasks(options.get("array"))))
    return max(codes)


def tasks(array):
    """Returns the variables of each task."""
    if array is None:
        return [{}]
    first, last = (int(number) for number in array.split("-"))
    values = {"MIN": first, "MAX": last, "COUNT": last - first + 1}
    return [
        {
            f"SLURM_ARRAY_TASK_{name}": str(value)
            for name, value in (values | {"ID": number}).items()
        }
        for number in range(first, last + 1)
    ]


def srun(arguments):
    while arguments[0].startswith("--"):
        assert arguments.pop(0) == "--kill-on-bad-exit=1"
    processes = [
        subprocess.Popen(
            arguments,
            env=os.environ
            | {
                "SLURM_PROCID": str(number),
                "SLURM_LOCALID": "0",
                "SLURM_STEP_NODELIST": os.environ["SLURM_JOB_NODELIST"],
            },
        )
        for number in range(int(os.environ["SLURM_NTASKS"]))
    ]
    return max(process.wait() for process in processes)


def scontrol(arguments):
    assert arguments[:2] == ["show", "hostnames"]
    last = int(re.fullmatch(r"node\[1-(\d+)\]", arguments[2])[1])
    print("\n".join(["localhost"] * last))
    return 0


COMMANDS = {"sbatch": sbatch, "srun": srun, "scontrol": scontrol}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](sys.argv[2:]))
