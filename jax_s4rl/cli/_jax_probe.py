"""Lists the devices of JAX and runs the self-test, for the doctor.

The doctor starts it as a separate process, because JAX can crash. It prints one JSON object per
line, each as soon as it is known: `stage` names the next stage, `facts` holds results, and `error`
ends the output.
"""

import json
import time
from typing import Any

from jax_s4rl import self_test

IMPORTING, STARTING, TESTING = (
    "while importing jax",
    "while starting the devices",
    "in the self-test",
)


def main() -> None:
    """Prints the results stage by stage; an exception is printed as a line too."""
    try:
        for line in stages():
            # Flushed, because after a crash the doctor needs the lines before it.
            print(json.dumps(line), flush=True)
    except BaseException as error:
        print(
            json.dumps({"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}),
            flush=True,
        )


def stages() -> Any:
    """Yields the JSON objects of all lines, and runs the stages in between."""
    yield {"stage": IMPORTING}
    begin = time.perf_counter()
    import jax

    yield {"facts": {"jax": jax.__version__, "import_seconds": time.perf_counter() - begin}}
    yield {"stage": STARTING}
    yield {
        "facts": {
            "platform": jax.default_backend(),
            "devices": [describe(device) for device in jax.devices()],
            "pmap_devices": [describe(device) for device in jax.local_devices()],
            "float64": str(jax.dtypes.canonicalize_dtype("float64")) == "float64",
        }
    }
    yield {"stage": TESTING}
    verdict = self_test.check()
    yield {
        "facts": {
            "self_test": [part._asdict() for part in verdict.parts],
            "summary": verdict.summary,
            "problem": verdict.problem,
            "warning": verdict.warning,
        }
    }


def describe(device: Any) -> str:
    """Describes a device in a few words.

    Args:
        device: Device of JAX.

    Returns:
        Platform, number and kind, for instance "cpu:0" or "gpu:1 NVIDIA H100".
    """
    name = f"{device.platform}:{device.id}"
    return name if device.device_kind == device.platform else f"{name} {device.device_kind}"


if __name__ == "__main__":
    main()
