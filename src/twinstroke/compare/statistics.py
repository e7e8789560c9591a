"""Statistics of two networks on the same samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def mcnemar(only_first: int, only_other: int) -> float:
    """Exact two-sided p of McNemar's test (Psychometrika 12, 1947).

    It is the sign test of the samples that one of the two has right and the other has not.

    Args:
        only_first: Samples that only the first network has right.
        only_other: Samples that only the other has right.
    """
    discordant = only_first + only_other
    return float(stats.binomtest(only_other, discordant).pvalue) if discordant else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm, Scand. J. Statist. 6, 1979), in their order.

    Whoever takes adjusted values below 0.05 for differences is wrong about any of them in at most
    5 % of such tables.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return [float(value) for value in adjusted]
