"""One token a step against three."""

from collections.abc import Sequence

from experiments.reporting import lines, scores, speeds, studies
from jax_s4rl.evaluation import intervals


def matches(study: studies.Study, mixer: str) -> list[studies.Match]:
    """One token against three, everything else equal."""
    found = []
    for arm in study.arms:
        if (arm.method, arm.setting.tokens) != (mixer, speeds.ONE):
            continue
        # The variant may name the tokens.
        variant = arm.setting.variant.replace(speeds.ONE, speeds.THREE)
        wanted = arm.setting._replace(tokens=speeds.THREE, variant=variant)
        others = [other for other in study.arms if other.method == mixer and other.setting == wanted]
        found += [match for other in others if (match := studies.match(study, arm, other))]
    return found


def gains(found: Sequence[studies.Match]) -> dict[str, intervals.Interval]:
    """What one token gains, on the scale from random play to the optimum, by data set; few runs do not count."""
    pairs: dict[str, list[studies.Pair]] = {}
    for match in found:
        if match.normalized and match.speaks:
            pairs.setdefault(match.setting.data, []).append(match.normalized)
    return {data: gain for data, group in pairs.items() if (gain := scores.gain(group))}


def updates(found: Sequence[studies.Match]) -> str:
    """How many times as fast updates were with one token; nothing where lines do not tell."""
    ratios = [one / three for match in found if (one := _speed(match.arms[0])) and (three := _speed(match.arms[1]))]
    if not ratios:
        return ""
    ends = sorted({f"{min(ratios):.1f}", f"{max(ratios):.1f}"}, key=float)
    return f"updates {' to '.join(ends)} times as fast"


def _speed(arm: lines.Arm) -> float:
    known = [value for row in arm.rows if (value := row["metrics"].get("updates_per_second"))]
    return sum(known) / len(known) if known else 0.0
