"""From class probabilities along a video to strokes with a beginning, an end and a name.

The rules are those of the authors' published baseline (MediaEval 2022), put right: decisions stand
in the middle of what they are taken from (the published vote lies half a window early), each moment
has one up to both ends of the video, and a run that reaches the last frame keeps it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from twinstroke.annotations.detection import Detection
from twinstroke.detect.track import Track
from twinstroke.settings.detect import DetectSettings
from twinstroke.tables import NEGATIVE
from twinstroke.video.clock import Clock


def find_strokes(
    track: Track, settings: DetectSettings, kept_fps: float, video: str, clock: Clock
) -> list[Detection]:
    """Find the strokes of a video.

    Each window speaks for the source frames nearer to its middle than to that of another; the
    strokes are told in these.

    Args:
        track: What a network says of its windows.
        settings: Smoothing, rejection, runs, and the shortest stroke and gap.
        kept_fps: Kept frames a second.
        video: Its id.
        clock: When its frames begin.

    Returns:
        Strokes in the order of time, none of which overlap.
    """
    rate = kept_fps / track.stride
    negative = track.classes.index(NEGATIVE)
    probabilities = weighed(track.probabilities, negative, settings.negative_weight)
    smooth = smoothed(probabilities, settings.smoothing, round(settings.smoothing_s * rate))
    named = chosen(smooth, negative, settings.rejection)
    if settings.runs == "stroke":
        found = _runs(np.where(named == negative, -1, 0), settings.gap_s * rate)
    else:
        found = _runs(np.where(named == negative, -1, named), settings.gap_s * rate)
    strokes = []
    for begin, end in found:
        if end - begin < settings.shortest_s * rate:
            continue
        mean = probabilities[begin:end].mean(0)
        candidates = np.delete(np.arange(len(mean)), negative)
        label = (
            int(named[begin]) if settings.runs == "class" else candidates[mean[candidates].argmax()]
        )
        first, last = _border(begin, track), _border(end, track)
        if first < last:
            strokes.append(
                Detection(
                    video=video,
                    begin=first,
                    end=last,
                    label=track.classes[label],
                    begin_s=round(float(clock.time_of(first)), 3),
                    end_s=round(float(clock.time_of(last)), 3),
                    probability=round(float(np.clip(mean[label], 0, 1)), 4),
                    stroke_probability=round(float(np.clip(1 - mean[negative], 0, 1)), 4),
                )
            )
    return strokes


def weighed(
    probabilities: NDArray[np.float64], negative: int, weight: float
) -> NDArray[np.float64]:
    """Class probabilities as they would be with other shares of Negative in training.

    With a share of π in training and π' in the video, Bayes' rule wants the weight
    π' (1 - π) / (π (1 - π')) (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002).

    Args:
        probabilities: (N, classes).
        negative: Index of the rejection class.
        weight: Factor on its odds.
    """
    result = probabilities.copy()
    result[:, negative] *= weight
    result /= result.sum(1, keepdims=True)
    return result


def smoothed(probabilities: NDArray[np.float64], rule: str, windows: int) -> NDArray[np.float64]:
    """Class probabilities of each moment, of the windows around it.

    At both ends of the video those count that there are.

    Args:
        probabilities: (N, classes).
        rule: ``none``; ``vote``: the share of windows that prefer the class, where their mean
            counts as one vote more, so that it decides between equally many; ``mean``;
            ``gaussian``: a mean with weights of σ = 0.3 · (n // 2 - 1) + 0.8 windows, OpenCV's for
            a kernel of n, as in the published code.
        windows: n, made odd by adding one.

    Returns:
        (N, classes), each row with sum 1.
    """
    if rule == "none" or windows < 2:
        return probabilities
    # Nothing is further away than the other end of the video.
    around = min(windows // 2, len(probabilities))
    weights = np.ones(2 * around + 1)
    if rule == "gaussian":
        deviation = 0.3 * (windows // 2 - 1) + 0.8
        weights = np.exp(-0.5 * (np.arange(-around, around + 1) / deviation) ** 2)
    mean = _weighted(probabilities, weights)
    if rule != "vote":
        return mean
    votes = np.eye(probabilities.shape[1])[probabilities.argmax(1)]
    count = correlate1d(np.ones(len(votes)), weights, mode="constant")[:, None]
    return (_weighted(votes, weights) * count + mean) / (count + 1)


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = correlate1d(np.ones(len(values)), weights, mode="constant")
    result: NDArray[np.float64] = correlate1d(values, weights, axis=0, mode="constant")
    return result / total[:, None]


def chosen(probabilities: NDArray[np.float64], negative: int, rejection: str) -> NDArray[np.intp]:
    """Class of each moment.

    Args:
        probabilities: (N, classes).
        negative: Index of the rejection class.
        rejection: ``all``: the most probable class, Negative being one of them; ``sum``: Negative
            where it is at least as probable as all others together, else the most probable other.
    """
    if rejection == "all":
        best: NDArray[np.intp] = probabilities.argmax(1)
        return best
    others = probabilities.copy()
    others[:, negative] = -1
    is_none = 2 * probabilities[:, negative] >= probabilities.sum(1)
    return np.where(is_none, negative, others.argmax(1))


def _runs(kinds: NDArray[np.intp], gap: float) -> list[tuple[int, int]]:
    """Runs [begin, end) of equal kinds but -1.

    Two of the same kind become one where the gap between them is shorter than `gap`, whatever is in
    it.
    """
    cuts = np.flatnonzero(np.diff(kinds)) + 1
    begins, ends = [0, *cuts.tolist()], [*cuts.tolist(), len(kinds)]
    runs: list[tuple[int, int]] = []
    for begin, end in zip(begins, ends, strict=True):
        if kinds[begin] == -1:
            continue
        place = len(runs) - 1
        while place >= 0 and begin - runs[place][1] < gap:
            if kinds[runs[place][0]] == kinds[begin]:
                runs[place:] = [(runs[place][0], end)]
                break
            place -= 1
        else:
            runs.append((begin, end))
    return runs


def _border(place: int, track: Track) -> int:
    """First source frame that is nearer to the middle of a window than to that of the one before.

    Window p shows the kept frames p · stride - T // 2 + k, k = 0 … T - 1; their mean is
    p · stride - h with h = 0 for odd T, and h = 1/2 for even T. The first window has what comes
    before it, the last one the rest.
    """
    if place == len(track.probabilities):
        return track.kept.frames
    half = 1 - track.window % 2
    return track.kept.between(max(0, (2 * place - 1) * track.stride - half))
