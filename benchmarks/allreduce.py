"""A model of data-parallel training on many devices: how long they wait for each other's gradients.

Nothing here is measured. The model has three parts, each a formula with its source: a ring
all-reduce of the gradients, the computation of an update, and the share of the time in which the
devices compute. The numbers that it needs are assumptions with a name and a meaning below.
"""

from typing import NamedTuple

# Numbers of a gradient are float32, as the weights.
BYTES_PER_PARAMETER = 4
# Floating-point operations of an update for each token and parameter: two forward, four backward
# (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1). The mixer's own
# operations, which do not grow with the parameters, are left out; with them, devices wait less.
FLOPS_PER_TOKEN_AND_PARAMETER = 6
# Tokens of an update on each device: the batch of `benchmarks.gpu`.
TOKENS_PER_DEVICE = 65_536
# Useful operations a second of one device. Assumed: about a tenth of the bfloat16 peak of one TPU
# v5p chip (459e12, as Google states), because narrow layers do not fill such a device.
FLOPS_PER_SECOND = 50e12
# Seconds of an update that no arithmetic explains, such as starting some hundred small programs.
# Assumed: one millisecond. The more of it, the less the waiting counts.
FIXED_SECONDS = 1e-3


class Link(NamedTuple):
    """Connection between neighbors of a ring. All values are assumptions.

    Attributes:
        bandwidth: Bytes a second that a device can send, in one direction.
        latency: Seconds of one step of the ring, however little is sent.
        meaning: Where the assumption comes from.
    """

    bandwidth: float
    latency: float
    meaning: str


LINKS = {
    "GPUs, NVLink": Link(
        450e9,
        3e-6,
        "half of the 900 GB/s, both directions together, that NVIDIA states for one H100; a domain "
        "of 64 GPUs needs switches between servers",
    ),
    "GPUs, InfiniBand": Link(50e9, 5e-6, "one port of 400 Gbit/s for each GPU"),
    "GPUs, Ethernet": Link(1.5625e9, 30e-6, "one port of 100 Gbit/s that eight GPUs share"),
    "TPU slice": Link(
        100e9,
        1e-6,
        "one direction of one of six links of a TPU v5p chip, for which Google states 1,200 GB/s "
        "over all links and both directions",
    ),
}


def ring_seconds(num_devices: int, num_bytes: float, link: Link) -> float:
    """Computes the seconds of a ring all-reduce.

    Each device sends `(n - 1) / n` of the bytes to its neighbor while the parts are summed, and as
    much again while the sums go round, in `2 (n - 1)` steps in all.

    Args:
        num_devices: Number of devices in the ring, n.
        num_bytes: Bytes of the array that is summed, on each device.
        link: Connection between neighbors.

    Returns:
        Seconds.

    Raises:
        ValueError: If a number is out of its range.

    Source:
        Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of
        workstations"; Thakur et al. 2005, "Optimization of collective communication operations in
        MPICH". The tests of NCCL use the same factor for the bandwidth
        (nccl-tests, doc/PERFORMANCE.md).

    Example:
        >>> link = Link(bandwidth=1e9, latency=1e-3, meaning="for the example")
        >>> ring_seconds(1, 1e9, link), ring_seconds(2, 1e9, link)
        (0.0, 1.002)
    """
    if num_devices < 1 or num_bytes < 0 or link.bandwidth <= 0 or link.latency < 0:
        raise ValueError(
            f"got {num_devices} devices, {num_bytes} bytes and {link}; give at least 1 device, "
            "a bandwidth above 0, and neither bytes nor latency below 0"
        )
    steps = 2 * (num_devices - 1)
    return steps / num_devices * num_bytes / link.bandwidth + steps * link.latency


def gradient_bytes(num_parameters: int) -> int:
    """Returns the number of bytes of a gradient.

    Args:
        num_parameters: Number of trained scalars.

    Example:
        >>> gradient_bytes(250)
        1000
    """
    return BYTES_PER_PARAMETER * num_parameters


def compute_seconds(
    num_parameters: int, num_tokens: int, rate: float = FLOPS_PER_SECOND, fixed: float = 0.0
) -> float:
    """Computes the seconds in which a device computes one update.

    Args:
        num_parameters: Number of trained scalars.
        num_tokens: Number of tokens of the update on this device.
        rate: Useful floating-point operations a second.
        fixed: Seconds that no arithmetic explains.

    Returns:
        Seconds.

    Source:
        Kaplan et al. 2020, section 2.1: six operations for each token and parameter.

    Example:
        >>> compute_seconds(1_000, 1_000, rate=6e6, fixed=0.5)
        1.5
    """
    return FLOPS_PER_TOKEN_AND_PARAMETER * num_parameters * num_tokens / rate + fixed


def efficiency(compute: float, waiting: float) -> float:
    """Computes the share of the time in which devices compute, if they wait after each update.

    Each device keeps its number of tokens, so that more devices have a larger batch (weak scaling).
    XLA can hide a part of the waiting behind the backward pass; here it hides none.

    Args:
        compute: Seconds in which a device computes one update.
        waiting: Seconds of the all-reduce.

    Returns:
        Share between 0 and 1.

    Raises:
        ValueError: If both are 0, or one is below 0.

    Example:
        >>> efficiency(3.0, 1.0)
        0.75
    """
    if compute < 0 or waiting < 0 or compute + waiting == 0:
        raise ValueError(
            f"got {compute} s of computing and {waiting} s of waiting; give numbers that are not "
            "below 0, and not both 0"
        )
    return compute / (compute + waiting)
