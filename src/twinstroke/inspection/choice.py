"""Which samples are drawn."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from twinstroke.tables import Sample


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
