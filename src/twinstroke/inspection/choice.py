"""Which samples are drawn."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from twinstroke.errors import UserError
from twinstroke.tables import Sample


def named(samples: Sequence[Sample], names: Sequence[str]) -> list[Sample]:
    """The samples with these ids, in this order, each once.

    Raises:
        UserError: One line for each id that no sample has.
    """
    by_name = {sample.sample: sample for sample in samples}
    if unknown := [name for name in names if name not in by_name]:
        raise UserError(_unknown(name, list(by_name)) for name in unknown)
    return [by_name[name] for name in dict.fromkeys(names)]


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Some samples, spread evenly over classes, then over videos.

    Each is of a class of which fewest were taken so far, and among these of such a video; a hash of
    the ids decides between equals, so that it is not always a video's first stroke.
    """
    left = sorted(samples, key=lambda s: hashlib.sha256(s.sample.encode()).hexdigest())
    labels: Counter[str] = Counter()
    videos: Counter[str] = Counter()
    chosen: list[Sample] = []
    while left and len(chosen) < count:
        best = min(left, key=lambda s: (labels[s.label], videos[s.video]))
        left.remove(best)
        labels[best.label] += 1
        videos[best.video] += 1
        chosen.append(best)
    return chosen


def _unknown(name: str, known: Sequence[str]) -> str:
    close = ", ".join(get_close_matches(name, known, n=3, cutoff=0.5))
    hint = f"closest: {close}" if close else "samples.csv lists all ids"
    return f"{name!r}: no sample has this id; {hint}"
