"""Section ``balance`` of a preset."""

from __future__ import annotations

from typing import Literal

from twinstroke.settings.base import Count, Fraction01, Section


class BalanceSettings(Section):
    """How many samples of the rejection class each split keeps."""

    negatives: Literal["largest", "mean", "all"] | Count
    """Size of the largest stroke class, mean size of the stroke classes, all, or a number."""
    min_agreement: Fraction01 = 0.0
    """Training strokes are used only if at least this share of the annotators named their class.
    Other splits keep all: what is hard to tell must not vanish from the figures."""
