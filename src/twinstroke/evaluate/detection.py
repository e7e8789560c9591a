"""How good detections are: against the annotated strokes of the same videos.

Three families of figures answer three questions. Frames: how much of the strokes' time was found
(`iou`). Strokes: how many were found, whatever their confidence (`precision_50` and the like, and
MediaEval's `map_2021` and `map_2022`). Ranking: whether the confident ones are the right ones
(`ap`, `class_ap`). All of them see only what lies inside the video: ranges are cut at its end.

An annotated stroke of unknown class (None, or ``Stroke``) counts in all figures that do not ask for
the class; in the others it is neither right nor wrong, and what is found there is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel
from scipy.optimize import linear_sum_assignment

from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.evaluate.intervals import FEWEST_TO_RESAMPLE, RESAMPLES, clustered_interval, wilson
from twinstroke.tables import STROKE

THRESHOLDS = tuple(0.5 + step / 20 for step in range(10))
"""Temporal IoU from which a detection may count as a stroke: 0.50, 0.55 … 0.95."""
_SEED = 1
_BATCH = 500
"""Resamples at once: bounds the memory."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class ThresholdRow(BaseModel):
    """Figures at one temporal IoU; None where there is nothing to take a share of."""

    tiou: float
    precision: float | None
    """Of the detections, the share that is a stroke, each stroke once (`matches`)."""
    recall: float | None
    """Of the strokes, the share that was found."""
    f1: float | None
    ap: float | None
    """Average precision, whatever the class."""
    class_ap: float | None
    """Mean over the classes."""
    mediaeval_tp: int
    mediaeval_fp: int
    mediaeval_fn: int
    """As MediaEval's scripts count: see `mediaeval_counts`."""


class ClassRow(BaseModel):
    """Figures of one class that occurs or was found; None where there is nothing to divide by."""

    label: str
    n: int
    """Strokes of this class."""
    found: int
    """Detections of this class, without those passed over on strokes of unknown class."""
    right: int
    """Those of them that take a stroke of their class at temporal IoU 0.5, the most probable first,
    each stroke once."""
    recall: float | None
    """Share of the strokes, with its 95 % interval (Wilson), which takes them as independent."""
    low: float | None
    high: float | None
    precision: float | None
    ap_50: float | None
    ap: float | None
    """Mean over the thresholds."""


class DetectionScores(BaseModel):
    """Everything that `detection_scores` finds."""

    figures: dict[str, float | int | None]
    by_threshold: list[ThresholdRow]
    """Ascending."""
    by_class: list[ClassRow]
    """By name; empty where the detections do not name classes."""


class MediaevalCounts(NamedTuple):
    """Summed over all videos, one number a threshold: each (len(THRESHOLDS),)."""

    tp: Ints
    fp: Ints
    fn: Ints


def detection_scores(
    truth: Mapping[str, Sequence[Stroke]],
    found: Mapping[str, Sequence[Detection]],
    frames: Mapping[str, int],
    tolerance: int,
) -> DetectionScores:
    """All figures of the detections in some videos.

    Args:
        truth: Strokes by video, without any ``Negative``; they may overlap.
        found: Detections by video, in the order of their file, which only MediaEval's figures heed.
        frames: Number of frames of each video that was searched, those without any stroke included.
        tolerance: Frames by which a boundary may be off and count as `begin_within`, `end_within`.

    Returns:
        `figures`, in this order; None where a figure is not defined (JSON has no NaN):

        - ``n_videos``, ``n_frames``, ``n_strokes``, ``n_named`` (strokes of known class),
          ``n_found``;
        - ``iou``: frames in which a stroke is annotated and found, of those in which one is either
          (MediaEval's Global IoU: frames of all videos together);
        - ``class_iou``: frames in which one class is annotated and found, of those in which any
          stroke is either; where annotated strokes overlap, one of their classes is enough. So
          it is at most ``iou``, but for frames of strokes of unknown class, which are left out;
        - ``precision_50``, ``recall_50``, ``f1_50``: one to one, at temporal IoU 0.5;
        - ``ap``, ``ap_50``: average precision, ranked by `stroke_probability`, its mean over the
          thresholds and at 0.5; see `average_precisions`;
        - ``class_ap``, ``class_ap_50``: the same within each class, ranked by `probability`; mean
          over the classes that occur in the truth;
        - ``map_2021``, ``map_2022``: see there. MediaEval's script gives NaN where nothing was
          found or nothing is there, and so None stands here: such a run has no precision;
        - ``n_matched``: pairs of the matching at temporal IoU 0.5, of which the rest tells:
          ``begin_bias``, ``end_bias``: median of found minus annotated, in frames;
          ``begin_error``, ``end_error``: median of its absolute value; ``begin_error_mean``,
          ``end_error_mean``: mean; ``begin_within``, ``end_within``: share of at most ``tolerance``
          frames; ``label_accuracy``: share with the right class, of the ``n_labelled`` pairs in
          which it is known.

        Shares have a 95 % interval ``…_low``, ``…_high`` that takes videos as independent
        (`clustered_interval`), average precision one by 9,999 bootstrap resamples of videos. It is
        None for a single video, for average precision of fewer than 20 videos, of which resamples
        would give too short an interval, and where all videos agree so well that it has no width.

        All that ask for the class are None where a detection has no class but ``Stroke``, or no
        annotated stroke has one.

    Raises:
        ValueError: A range is empty or begins before frame 0, or a video has no number of frames.
    """
    videos = _videos(truth, found, frames)
    n_strokes = sum(len(video.labels) for video in videos)
    n_found = sum(len(video.found) for video in videos)
    occurring = sorted({label for video in videos for label in video.labels if label is not None})
    named = {row.label for video in videos for row in video.found}
    classes = [] if STROKE in named else sorted(named.union(occurring))

    figures: dict[str, float | int | None] = {
        "n_videos": len(videos),
        "n_frames": sum(frames.values()),
        "n_strokes": n_strokes,
        "n_named": sum(label is not None for video in videos for label in video.labels),
        "n_found": n_found,
    }
    figures |= _share("iou", [video.agreeing_frames() for video in videos])
    asks_class = bool(classes and occurring)
    figures |= _share("class_iou", [v.agreeing_frames(classes) for v in videos if asks_class])

    pairs = [matches(video.tiou, THRESHOLDS[0]) for video in videos]
    of_found, of_strokes = [], []
    for (rows, columns), video in zip(pairs, videos, strict=True):
        of_found.append(np.isin(np.arange(len(video.found)), rows))
        of_strokes.append(np.isin(np.arange(len(video.labels)), columns))
    figures |= _share("precision_50", of_found)
    figures |= _share("recall_50", of_strokes)
    # F1 is the share of detections and strokes, taken together, that have a partner.
    both = [np.concatenate(item) for item in zip(of_found, of_strokes, strict=True)]
    figures |= _share("f1_50", both)

    ranked = _Ranked(videos, None)
    by_class = {label: _Ranked(videos, label) for label in classes}
    of_classes = [by_class[label] for label in occurring if asks_class]
    plain = np.ones((1, len(videos)))
    aps = average_precisions([ranked], plain)[0]
    class_aps = average_precisions(of_classes, plain)[0]
    figures |= _with_resamples("ap", [ranked], aps, len(videos))
    figures |= _with_resamples("class_ap", of_classes, class_aps, len(videos))

    counts = _mediaeval_counts(videos)
    figures["map_2021"] = map_2021(counts)
    figures["map_2022"] = map_2022(counts)
    figures |= _boundaries(videos, pairs, tolerance, bool(classes))

    by_threshold = []
    for step, tiou in enumerate(THRESHOLDS):
        hits = sum(len(matches(video.tiou, tiou)[0]) for video in videos)
        by_threshold.append(
            ThresholdRow(
                tiou=round(tiou, 2),
                precision=_ratio(hits, n_found),
                recall=_ratio(hits, n_strokes),
                f1=_ratio(2 * hits, n_found + n_strokes),
                ap=_rounded(aps[step]),
                class_ap=_rounded(class_aps[step]),
                mediaeval_tp=int(counts.tp[step]),
                mediaeval_fp=int(counts.fp[step]),
                mediaeval_fn=int(counts.fn[step]),
            )
        )
    rows_of_classes = [_class_row(label, item, plain) for label, item in by_class.items()]
    return DetectionScores(figures=figures, by_threshold=by_threshold, by_class=rows_of_classes)


def temporal_iou(first: ArrayLike, second: ArrayLike) -> Floats:
    """Shared frames of two sets of ranges, divided by those that either has.

    Args:
        first: (N, 2) begin and end, exclusive.
        second: (M, 2).

    Returns:
        (N, M), 0 where ranges only touch, or one is empty.
    """
    a = np.asarray(first, np.int64).reshape(-1, 1, 2)
    b = np.asarray(second, np.int64).reshape(1, -1, 2)
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    shared = np.maximum(shared, 0)
    either = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared
    result: Floats = np.divide(shared, either, out=np.zeros(shared.shape), where=either > 0)
    return result


def matches(tiou: Floats, threshold: float) -> tuple[Ints, Ints]:
    """Pair rows with columns, each at most once, so that the sum of their temporal IoU is largest.

    Args:
        tiou: (N, M).
        threshold: At least 0.5, with which no two pairs are given up for one.

    Returns:
        Rows and columns of the pairs, each at least at the threshold, in the order of the rows.
    """
    allowed = np.where(tiou >= threshold, tiou, 0.0)
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    is_pair = allowed[rows, columns] > 0
    return rows[is_pair], columns[is_pair]


def mediaeval_counts(
    truth: Mapping[str, Sequence[Stroke]],
    found: Mapping[str, Sequence[Detection]],
    frames: Mapping[str, int],
) -> MediaevalCounts:
    """Count as the evaluation scripts of MediaEval 2021 and 2022 do, whatever the class.

    At each threshold, detections in the order of their file: each takes every stroke of the video
    that no earlier one took and whose temporal IoU is at least the threshold. Each stroke taken is
    a TP, so that one detection may be several; a detection that takes none is an FP; a stroke that
    none takes is an FN. Confidences play no part.

    Raises:
        ValueError: As `detection_scores`.
    """
    return _mediaeval_counts(_videos(truth, found, frames))


def map_2021(counts: MediaevalCounts) -> float | None:
    """MediaEval 2021's "Average Precision at IoU=.50:.05:.95".

    The thresholds give ten points (recall, precision), which are sorted; each precision is replaced
    by the largest one from there on; the result is the area under these steps, from recall 0 to the
    largest recall. There is no ranking in it.

    Returns:
        None (NaN in the script) if nothing was found or there is no stroke.
    """
    if _is_void(counts):
        return None
    points = sorted(zip(*_recall_precision(counts), strict=True))
    recall, precision = (np.array(values) for values in zip(*points, strict=True))
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float((highest * np.diff(recall, prepend=0)).sum())


def map_2022(counts: MediaevalCounts) -> float | None:
    """MediaEval 2022's "mean Average Precision": mean over the thresholds of precision × recall.

    Not to be compared with :func:`map_2021`, which is another figure, nor with a true average
    precision. The overview paper speaks of 20 thresholds; the script has 10.

    Returns:
        None (NaN in the script) if nothing was found or there is no stroke.
    """
    if _is_void(counts):
        return None
    recall, precision = _recall_precision(counts)
    return float((precision * recall).mean())


class _Video:
    """Strokes and detections of one video, cut at its end."""

    def __init__(self, truth: Sequence[Stroke], found: Sequence[Detection], frames: int) -> None:
        strokes = sorted(truth, key=lambda s: (s.begin, s.end, s.label or ""))
        rows: list[Stroke | Detection] = [*strokes, *found]
        for row in rows:
            if not 0 <= row.begin < row.end:
                raise ValueError(
                    f"range [{row.begin}, {row.end}) is empty or begins before frame 0"
                )
        self.frames = frames
        self.found = found
        self.labels = [None if stroke.label == STROKE else stroke.label for stroke in strokes]
        """Of the strokes, which are in order of time; None: unknown."""
        self.ranges = _ranges(found, frames)
        self.stroke_ranges = _ranges(strokes, frames)
        self.tiou = temporal_iou(self.ranges, self.stroke_ranges)
        """(N, M) of N detections and M strokes."""

    def agreeing_frames(self, classes: Iterable[str] | None = None) -> Bools:
        """For each frame with a stroke, annotated or found: whether both agree.

        Args:
            classes: If given, both must agree on one of these; frames of strokes whose class is
                unknown are left out.
        """
        strokes, found = self._covered(self.stroke_ranges), self._covered(self.ranges)
        if classes is None:
            return (strokes & found)[strokes | found]
        agree = np.zeros(self.frames, np.bool_)
        for label in classes:
            own = [other == label for other in self.labels]
            theirs = [row.label == label for row in self.found]
            if any(own) and any(theirs):
                agree |= self._covered(self.stroke_ranges[own]) & self._covered(self.ranges[theirs])
        is_unknown = [label is None for label in self.labels]
        return agree[(strokes | found) & ~self._covered(self.stroke_ranges[is_unknown])]

    def _covered(self, ranges: Ints) -> Bools:
        mask = np.zeros(self.frames, np.bool_)
        for begin, end in ranges:
            mask[begin:end] = True
        return mask


class _Ranked:
    """Detections of all videos, of one class or of all, by falling confidence.

    In each video the most confident detection chooses first: the stroke that nobody took yet with
    the largest temporal IoU, if that is at least the threshold (as ActivityNet's evaluation does).
    Of equally confident ones the earlier in the video chooses first, wherever its file has it.
    """

    def __init__(self, videos: Sequence[_Video], label: str | None) -> None:
        confidence: list[Floats] = []
        hits: list[Bools] = []
        counted: list[Bools] = []
        self.strokes = np.zeros(len(videos))
        """(V,) how many strokes each video has."""
        for number, video in enumerate(videos):
            rows = [
                row for row, item in enumerate(video.found) if label is None or item.label == label
            ]
            own = [label is None or other == label for other in video.labels]
            sure = np.array(
                [
                    item.stroke_probability if label is None else item.probability
                    for item in (video.found[row] for row in rows)
                ]
            )
            order = np.lexsort((*video.ranges[rows].T[::-1], -sure))
            tiou = video.tiou[rows][order]
            hit = _chosen(tiou[:, own])
            # What lies on a stroke of unknown class may be right or wrong.
            unknown = [label is not None and other is None for other in video.labels]
            best = tiou[:, unknown].max(1, initial=0.0)
            self.strokes[number] = sum(own)
            confidence.append(sure[order])
            hits.append(hit)
            counted.append(hit | (best < np.array(THRESHOLDS)[:, None]))
        sizes = [len(item) for item in confidence]
        sure = np.concatenate([np.zeros(0), *confidence])
        order = np.argsort(-sure, kind="stable")
        self.video = np.repeat(np.arange(len(videos)), sizes)[order]
        """(N,) place of the video of each detection."""
        nothing = np.zeros((len(THRESHOLDS), 0), np.bool_)
        self.hits = np.concatenate([nothing, *hits], axis=1)[:, order]
        """(len(THRESHOLDS), N)."""
        self.counted = np.concatenate([nothing, *counted], axis=1)[:, order]
        """(len(THRESHOLDS), N) false for those that are passed over."""
        self.last = np.flatnonzero(np.diff(sure[order], append=-1))
        """Last detection of each confidence."""


def average_precisions(rankings: Sequence[_Ranked], weights: Floats) -> Floats:
    """Mean of the average precisions of some rankings, at each threshold.

    Average precision is the sum, over the confidences that occur, of the precision of all
    detections at least so confident, times what this confidence adds to the recall: the steps are
    not interpolated (as scikit-learn's `average_precision_score`, which knows nothing of strokes
    that were missed, and as THUMOS'14; tools that interpolate give as much or more). Equally
    confident detections come in together, so that their order means nothing.

    Written out here, as sums over weighted videos, to serve thousands of resamples at once.

    Args:
        rankings: To take the mean of; those without strokes are left out of it.
        weights: (R, V) how often each video counts in each of R resamples.

    Returns:
        (R, len(THRESHOLDS)); NaN without strokes.
    """
    total = np.zeros((len(weights), len(THRESHOLDS)))
    number = np.zeros((len(weights), 1))
    for ranking in rankings:
        strokes = weights @ ranking.strokes
        weight = weights[:, ranking.video]
        for step, (hits, counted) in enumerate(zip(ranking.hits, ranking.counted, strict=True)):
            right = (weight * hits).cumsum(1)[:, ranking.last]
            among = (weight * counted).cumsum(1)[:, ranking.last]
            added = np.diff(right, axis=1, prepend=0)
            area = (added * right / np.maximum(among, 1)).sum(1)
            total[:, step] += area / np.maximum(strokes, 1)
        number += strokes[:, None] > 0
    mean: Floats = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return mean


def _videos(
    truth: Mapping[str, Sequence[Stroke]],
    found: Mapping[str, Sequence[Detection]],
    frames: Mapping[str, int],
) -> list[_Video]:
    if missing := sorted((set(truth) | set(found)) - set(frames)):
        raise ValueError(f"no number of frames of {missing[0]!r}")
    return [_Video(truth.get(name, ()), found.get(name, ()), frames[name]) for name in frames]


def _ranges(rows: Sequence[Stroke] | Sequence[Detection], frames: int) -> Ints:
    ranges = np.array([(row.begin, row.end) for row in rows], np.int64).reshape(-1, 2)
    return np.minimum(ranges, frames)


def _chosen(tiou: Floats) -> Bools:
    """(len(THRESHOLDS), N) which of N detections, first come first served, got a stroke."""
    hits = np.zeros((len(THRESHOLDS), len(tiou)), np.bool_)
    # Few strokes come into question for any detection.
    candidates = [np.flatnonzero(row >= THRESHOLDS[0]) for row in tiou]
    for step, threshold in enumerate(THRESHOLDS):
        taken: set[int] = set()
        for row, columns in enumerate(candidates):
            free = [c for c in columns.tolist() if c not in taken and tiou[row, c] >= threshold]
            if free:
                taken.add(max(free, key=lambda c: tiou[row, c]))
                hits[step, row] = True
    return hits


def _mediaeval_counts(videos: Sequence[_Video]) -> MediaevalCounts:
    tp, fp, fn = (np.zeros(len(THRESHOLDS), np.int64) for _ in range(3))
    for video in videos:
        for step, threshold in enumerate(THRESHOLDS):
            fits = video.tiou >= threshold
            # A stroke is taken by the first detection that fits, so a detection takes those that
            # no row above it fits.
            takes = fits & (fits.cumsum(0) == 1)
            tp[step] += takes.sum()
            fp[step] += (~takes.any(1)).sum()
            fn[step] += (~fits.any(0)).sum()
    return MediaevalCounts(tp, fp, fn)


def _is_void(counts: MediaevalCounts) -> bool:
    return not (counts.tp[0] + counts.fp[0] and counts.tp[0] + counts.fn[0])


def _recall_precision(counts: MediaevalCounts) -> tuple[Floats, Floats]:
    return counts.tp / (counts.tp + counts.fn), counts.tp / (counts.tp + counts.fp)


def _share(name: str, parts: Sequence[Bools]) -> dict[str, float | int | None]:
    """A share with its interval.

    Args:
        name: Of the figure.
        parts: (N,) of each video, whatever N: what is true counts.
    """
    values = np.concatenate([np.zeros(0, np.bool_), *parts])
    low = high = None
    if len(values):
        units = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        interval = clustered_interval(values, units)
        if interval is not None and interval.low < interval.high:
            low, high = max(interval.low, 0.0), interval.high
    share = float(values.mean()) if len(values) else None
    return {name: share, f"{name}_low": low, f"{name}_high": high}


def _with_resamples(
    name: str, rankings: Sequence[_Ranked], values: Floats, videos: int
) -> dict[str, float | int | None]:
    """Mean over the thresholds, its interval, and the value at temporal IoU 0.5."""
    low = high = None
    if videos >= FEWEST_TO_RESAMPLE and not np.isnan(values[0]):
        generator = np.random.default_rng(_SEED)
        means: list[Floats] = []
        for first in range(0, RESAMPLES, _BATCH):
            size = min(_BATCH, RESAMPLES - first)
            weights = generator.multinomial(videos, np.full(videos, 1 / videos), size)
            means.append(average_precisions(rankings, weights.astype(np.float64)).mean(1))
        # Resamples without any stroke have no average precision.
        bounds = np.nanpercentile(np.concatenate(means), [2.5, 97.5])
        if bounds[0] < bounds[1]:
            low, high = (float(bound) for bound in bounds)
    return {
        name: _number(values.mean()),
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_50": _number(values[0]),
    }


def _boundaries(
    videos: Sequence[_Video],
    pairs: Sequence[tuple[Ints, Ints]],
    tolerance: int,
    asks_class: bool,
) -> dict[str, float | int | None]:
    errors = [
        video.ranges[rows] - video.stroke_ranges[columns]
        for (rows, columns), video in zip(pairs, videos, strict=True)
    ]
    of_all = np.concatenate([np.zeros((0, 2), np.int64), *errors])
    figures: dict[str, float | int | None] = {"n_matched": len(of_all)}
    for side, name in enumerate(("begin", "end")):
        own = of_all[:, side]
        is_void = len(own) == 0
        figures[f"{name}_bias"] = None if is_void else float(np.median(own))
        figures[f"{name}_error"] = None if is_void else float(np.median(abs(own)))
        figures[f"{name}_error_mean"] = None if is_void else float(abs(own).mean())
        figures |= _share(f"{name}_within", [abs(part[:, side]) <= tolerance for part in errors])
    right = []
    for (rows, columns), video in zip(pairs, videos, strict=True):
        couples = [
            (video.found[row].label, video.labels[column])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        known = [found == label for found, label in couples if asks_class and label is not None]
        right.append(np.array(known, np.bool_))
    figures["n_labelled"] = sum(len(part) for part in right)
    figures |= _share("label_accuracy", right)
    return figures


def _class_row(label: str, ranking: _Ranked, plain: Floats) -> ClassRow:
    n, right = int(ranking.strokes.sum()), int(ranking.hits[0].sum())
    found = int(ranking.counted[0].sum())
    low, high = wilson(right, n) if n else (np.nan, np.nan)
    areas = average_precisions([ranking], plain)[0]
    return ClassRow(
        label=label,
        n=n,
        found=found,
        right=right,
        recall=_ratio(right, n),
        low=_rounded(low),
        high=_rounded(high),
        precision=_ratio(right, found),
        ap_50=_rounded(areas[0]),
        ap=_rounded(areas.mean()),
    )


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
