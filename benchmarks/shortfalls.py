"""Says why aims of speed were not reached, from the parts that benchmarks time.

Every number comes from result rows of one machine. An aim that its rows reach has no reason here.
"""

import itertools
from collections.abc import Iterator, Mapping

from benchmarks import floor_report, host_loop, lengths_fit, lengths_report, tables, whole_job

Found = Mapping[str, tables.Newest]
"""Newest rows of one machine, by the name of the benchmark."""

# Mixer whose state is the smallest, beside S4D in the host loop.
MIXER, SMALLER = "s4d", "s5"
# Parts of an update beside its floor, in words.
PARTS = {"norm": "layer norm", "activations": "activations", "kernel": "making the kernels"}
REST = "moving, padding, masks and the optimizer"
# Milliseconds of one action, MiB of a process that compiles an update, and the exponent of an
# update that are aimed at.
ACTION, MEMORY, EXPONENT = 0.2, 0.8 * 2**10, 1.05
COMPILED_AT = 100


def reasons(found: Found, environments: int) -> list[str]:
    """Returns a sentence or two for each aim that was not reached.

    Args:
        found: Newest rows of one machine, by the name of the benchmark.
        environments: Number of environments side by side in the host loop.
    """
    return [
        *_of_updates(found.get("floor", {})),
        *_of_lengths(found.get("lengths", {})),
        *_of_actions(found.get("lengths", {}), found.get("host_loop", {})),
        *_of_host_loop(found.get("host_loop", {}), environments),
        *_of_whole_job(found.get("whole_job", {})),
    ]


def _of_updates(rows: tables.Newest) -> Iterator[str]:
    """Yields what the time above the floor goes into, at the lengths that are above the aim."""
    lengths = sorted(length for name, length in rows if name == floor_report.UPDATE)
    ratios = {length: floor_report.over_floor(rows, length) for length in lengths}
    for length, ratio in ratios.items():
        if ratio <= floor_report.AIM:
            continue
        spent = {name: row["seconds"]["cpu"] for (name, own), row in rows.items() if own == length}
        above = spent[floor_report.UPDATE] - sum(spent[name] for name in floor_report.FLOOR)
        shares = {words: spent[name] / above for name, words in PARTS.items() if name in spent}
        shares[REST] = 1 - sum(shares.values())
        largest = sorted(shares.items(), key=lambda item: -item[1])
        parts = ", ".join(f"{words} {share:.0%}" for words, share in largest)
        yield (
            f"An update of {length:,} steps takes {ratio:.2f} times its floor. Of the time above "
            f"the floor: {parts}."
        )
    if ratios:
        bounds = ", ".join(f"{ratio:.2f} at {length:,} steps" for length, ratio in ratios.items())
        yield (
            "An update that took no longer than its floor would raise the ratios to other models "
            f"by these factors: {bounds}. More than that asks for other products, not for faster "
            "code around them."
        )


def _of_lengths(rows: tables.Newest) -> Iterator[str]:
    """Yields where an update grows faster than its length, and what takes memory."""
    curve = lengths_report.curve(rows, lengths_report.S4D, lengths_report.PROCESSOR)
    kept = {n: turns for n, turns in curve.items() if n >= lengths_report.LINEAR_FROM}
    if len(kept) > 1 and (whole := lengths_fit.exponent(kept).value) > EXPONENT:
        parts = [
            f"{lengths_fit.exponent({a: kept[a], b: kept[b]}).value:.2f} from {a:,} to {b:,}"
            for a, b in itertools.pairwise(sorted(kept))
        ]
        yield (
            f"The exponent of an update is {whole:.2f}: {', '.join(parts)} steps. Longer contexts "
            "have fewer rows in a batch, which share the making of the kernels."
        )
    row = lengths_report.own(rows, "training", lengths_report.S4D).get(COMPILED_AT)
    if row is not None and row["metrics"]["peak_mib"] > MEMORY:
        own = row["metrics"]
        yield (
            f"Of the {own['peak_mib']:,.0f} MiB at {COMPILED_AT} steps, the update needs "
            f"{own['temporary_mib']:,.0f} MiB; the rest are libraries, compiler and data."
        )


def _of_actions(rows: tables.Newest, rollouts: tables.Newest) -> Iterator[str]:
    """Yields the time of an action among other models and in a rollout, if it is above the aim."""
    acted = lengths_report.own(rows, "acting", lengths_report.S4D)
    timed = [1e3 * row["seconds"]["median"] for row in acted.values() if row["metrics"]["turns"]]
    alone = rollouts.get((MIXER, 1))
    if timed and max(timed) > ACTION and alone is not None:
        yield (
            f"An action takes {min(timed):.2f} to {max(timed):.2f} ms between those of other "
            "models, whose data may displace its own in the caches, with three blocks of width "
            f"128; in a rollout, with two of width 64, {1e3 * alone['seconds']['policy']:.2f} ms."
        )


def _of_host_loop(rows: tables.Newest, environments: int) -> Iterator[str]:
    """Yields where the time outside the environments goes, if it is more than aimed at."""
    row, other = (rows.get((mixer, environments)) for mixer in (MIXER, SMALLER))
    if row is None or row["metrics"]["share_outside"] <= host_loop.AIM:
        return
    policy, rest = (_share(row, part) for part in ("policy", "rest"))
    compared = ""
    if other is not None:
        compared = f"; with {SMALLER}, whose state is smaller, {_share(other, 'policy'):.0%}"
    yield (
        f"In the host loop of {environments} environments, {policy:.0%} of the time is the policy "
        f"of {MIXER}{compared}; checks and the record are {rest:.0%}."
    )


def _of_whole_job(rows: tables.Newest) -> Iterator[str]:
    """Yields the parts of a whole job, if it takes longer than aimed at."""
    for (method,), row in rows.items():
        seconds = row["seconds"]
        if seconds["whole"] > whole_job.AIMS[method]:
            parts = ", ".join(f"{name} {seconds[name]:.1f} s" for name in whole_job.PARTS)
            yield f"The whole job with {method} takes {seconds['whole']:.1f} s: {parts}."
    trained = {method: row["seconds"]["train"] for (method,), row in rows.items()}
    if {whole_job.EMPTY, whole_job.FILLED} <= trained.keys():
        empty, filled = trained[whole_job.EMPTY], trained[whole_job.FILLED]
        yield (
            f"Of the {empty:.1f} s of training with an empty cache, {empty - filled:.1f} s are "
            "compiling by XLA; tracing, loading programs and the updates take the rest."
        )


def _share(row: tables.Row, part: str) -> float:
    return row["seconds"][part] / row["seconds"]["whole"]
