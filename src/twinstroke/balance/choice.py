"""Which samples each split uses: negatives are thinned, doubtful strokes not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from twinstroke.balance.stored import UsedSample
from twinstroke.settings.balance import BalanceSettings
from twinstroke.tables import NEGATIVE, SPLITS


def balance(
    names: Sequence[str],
    labels: Sequence[str],
    splits: Sequence[str],
    agreement: Sequence[float],
    settings: BalanceSettings,
    *,
    seed: int,
) -> list[UsedSample]:
    """Choose the samples that each split uses.

    Args:
        names: Names of the samples.
        labels: Their class names.
        splits: Their splits.
        agreement: Share of the annotators that named their class, 0 to 1.
        settings: How many samples of the class ``Negative`` a split keeps at most: the size of its
            largest stroke class, the mean size of its stroke classes (rounded), a number, or all.
            And the least agreement of a stroke to train on.
        seed: Decides which negatives are kept. The choice does not depend on the order of the rows
            nor on the other splits.

    Returns:
        The used samples in the order of the rows.
    """
    kept: set[str] = set()
    for number, split in enumerate(SPLITS):
        least = settings.min_agreement if split == "train" else 0
        rows = [i for i, own in enumerate(splits) if own == split and agreement[i] >= least]
        sizes = Counter(labels[i] for i in rows if labels[i] != NEGATIVE)
        negatives = sorted(names[i] for i in rows if labels[i] == NEGATIVE)
        order = np.random.default_rng([seed, number]).permutation(len(negatives))
        kept |= {names[i] for i in rows if labels[i] != NEGATIVE}
        kept |= {negatives[i] for i in order[: _target(sizes, len(negatives), settings)]}
    return [
        UsedSample.model_validate({"sample": name, "split": split})
        for name, split in zip(names, splits, strict=True)
        if name in kept
    ]


def _target(sizes: Counter[str], negatives: int, settings: BalanceSettings) -> int:
    if isinstance(settings.negatives, int):
        return settings.negatives
    if settings.negatives == "all" or not sizes:
        return negatives
    if settings.negatives == "largest":
        return max(sizes.values())
    return round(sizes.total() / len(sizes))
