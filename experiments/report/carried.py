"""The part of page one about acting from a carried state."""

from collections.abc import Sequence

import numpy as np

from experiments.report import comparisons, document, load, scores, tables
from experiments.report.catalog import CARRIED
from experiments.report.comparisons import Measured

TITLE = "Acting from a carried state"
# The change that should not help if features that are still filling up are the cause.
POST_NORM = "post-norm"


def section(measured: Measured) -> list[document.Block]:
    """Says how models act from a carried state, and what mends it; nothing without rows."""
    if not measured.rows.get(CARRIED):
        return []
    return [
        document.Heading(TITLE),
        document.Paragraph(document.text("notes", "carried")),
        tables.of_carried(measured),
        *_mended(measured),
        document.files(CARRIED, f"python -m experiments.{CARRIED}"),
    ]


def _mended(measured: Measured) -> list[document.Block]:
    """Names the mixers that lose by a state that is never cleared, and what mends which."""
    tests = comparisons.carried_tests(measured)
    found = {test.training: test for test in tests if test.title == comparisons.NEVER}
    before = next((test.scores for test in tests if test.title == comparisons.CLEARED), {})
    after = found.pop(load.AS_TRAINED, None)
    scale = after and after.task.scale(comparisons.MASKED, after.task.judged_by)
    if not after or not scale:
        return []
    matters = scores.MATTERS * (scale[1] - scale[0])
    least = {name: np.mean(own) - matters for name, own in before.items()}
    lost = [name for name, own in after.scores.items() if np.mean(own) < least.get(name, -np.inf)]
    texts, fits = [], []
    for training, test in found.items():
        known = [name for name in lost if name in test.scores]
        mended = [name for name in known if np.mean(test.scores[name]) >= least[name]]
        texts.append(f"{training} for {_names(mended) if mended else 'none'} of {len(known)}")
        # The explanation says that each change mends but for this one.
        fits += [(name in mended) != (training == POST_NORM) for name in known]
    if not lost or not texts:
        return []
    verdict = f"in {sum(fits)} of {len(fits)} cases"
    fields = {"lost": _names(lost), "texts": "; ".join(texts), "verdict": verdict}
    return [document.note("mended", matters=f"{100 * scores.MATTERS:g}", **fields)]


def _names(methods: Sequence[str]) -> str:
    return document.listed([comparisons.method_name(name) for name in sorted(methods)])
