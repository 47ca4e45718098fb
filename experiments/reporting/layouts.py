"""One token a step against three."""

from collections.abc import Sequence

from experiments.reporting import scores, speeds, studies
from jax_s4rl.evaluation import bootstrap


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


def gains(found: Sequence[studies.Match]) -> dict[str, bootstrap.Interval]:
    """What one token gains, on the scale from random play to the optimum, by data set; few runs do not count."""
    return {data: gain for data, pairs in _pairs(found).items() if (gain := scores.gain({data: pairs}))}


def overall(found: Sequence[studies.Match]) -> bootstrap.Interval | None:
    """The same, over all data sets."""
    return scores.gain(_pairs(found))


def _pairs(found: Sequence[studies.Match]) -> dict[str, list[scores.Pair]]:
    pairs: dict[str, list[scores.Pair]] = {}
    for match in found:
        if match.normalized and match.speaks:
            pairs.setdefault(match.setting.data, []).append(match.normalized)
    return pairs
