"""Read, probe, check, mine, split: the whole of the stage but for writing its tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

from twinstroke.errors import UserError
from twinstroke.files import sha256_of
from twinstroke.index import clips, mediaeval, table
from twinstroke.index.annotations import Annotation
from twinstroke.index.checks import (
    duplicate_problems,
    empty_split_problems,
    fps_problems,
    overlap_problems,
    range_problems,
)
from twinstroke.index.classes import class_names
from twinstroke.index.negatives import Stroke, mine_negatives
from twinstroke.index.probe import probe_video
from twinstroke.index.split import Segment, assign_splits
from twinstroke.progress import progress_bar
from twinstroke.settings import IndexSettings
from twinstroke.tables import NEGATIVE, Sample, Split, Video

READERS = {"mediaeval": mediaeval.read, "clips": clips.read, "csv": table.read}


@dataclass(frozen=True)
class Index:
    """Both tables, and what a person should know about them."""

    videos: list[Video]
    """Videos that have samples, by id."""
    samples: list[Sample]
    """By video, begin and end."""
    notes: list[str]
    """What was left out, or looks odd without being wrong; one line each."""


def build_index(
    settings: IndexSettings, *, raw: Path, root: Path, seed: int, workers: int
) -> Index:
    """Make the tables of videos and samples from a folder of raw data.

    Strokes of unknown class take part in the checks and bound the gaps from which negatives are
    cut, but are no samples; a video with no other strokes is left out.

    Args:
        settings: Format, folders, classes and rules.
        raw: Folder of the raw data, below `root`.
        root: The project's folder, to which the paths of videos are relative.
        seed: Seed of the split.
        workers: Videos that are read at the same time.

    Raises:
        UserError: One line for each problem of the annotations and videos.
    """
    if not raw.is_dir():
        raise UserError(f"{raw}: no such folder; put the videos and annotations there")
    classes = class_names(settings)
    reading = READERS[settings.format](raw, settings, classes)
    annotations = reading.annotations
    problems = list(reading.problems)

    labelled = {item.video for item in annotations if item.label is not None}
    wanted = {video: path for video, path in reading.videos.items() if video in labelled}
    videos = _probed(wanted, root, workers, problems)
    frames = {video.video: video.frames for video in videos}
    problems += fps_problems(videos, settings.fps)
    problems += range_problems(annotations, frames)
    problems += duplicate_problems(annotations)
    problems += overlap_problems(annotations, settings.max_overlap)

    segments = _segments(annotations, settings, classes, frames)
    splits = assign_splits(segments, settings.split, seed, problems)
    if not problems:
        problems += empty_split_problems(
            str(raw), [split for segment, split in splits.items() if not segment.mined]
        )
    if problems:
        raise UserError(problems)
    notes = _annotation_notes(reading.videos, annotations) + _video_notes(videos)
    return Index(videos, _samples(splits, classes), notes + _class_notes(splits, classes))


def _probed(
    paths: Mapping[str, Path], root: Path, workers: int, problems: list[str]
) -> list[Video]:
    videos = []
    with progress_bar("index", len(paths), "videos") as bar, ThreadPool(workers) as pool:
        for outcome in pool.imap(partial(_video, root=root), sorted(paths.items())):
            if isinstance(outcome, UserError):
                problems += outcome.problems
            else:
                videos.append(outcome)
            bar.update()
    return videos


def _video(item: tuple[str, Path], root: Path) -> Video | UserError:
    video, path = item
    try:
        probe = probe_video(path)
    except UserError as error:
        return error
    return Video(
        video=video,
        path=path.absolute().relative_to(root.absolute()).as_posix(),
        sha256=sha256_of(path),
        frames=probe.frames,
        fps=probe.fps,
        width=probe.width,
        height=probe.height,
        variable_frame_rate=probe.variable_frame_rate,
    )


def _segments(
    annotations: Iterable[Annotation],
    settings: IndexSettings,
    classes: Sequence[str],
    frames: Mapping[str, int],
) -> list[Segment]:
    """Labelled strokes, and negatives mined from the gaps, of the videos that were probed."""
    strokes = defaultdict(list)
    segments = []
    for item in annotations:
        last = frames.get(item.video, 0)
        end = last if item.end is None else item.end
        # A stroke out of range is a problem already; here it would ask for negatives without end.
        if item.begin < end <= last:
            strokes[item.video].append(Stroke(item.begin, end, item.split))
            if item.label is not None:
                index = classes.index(item.label)
                segments.append(Segment(item.video, item.begin, end, index, False, item.split))
    if settings.negatives.rule == "gaps":
        index = classes.index(NEGATIVE)
        for video, own in strokes.items():
            for begin, end, split in mine_negatives(own, settings.negatives.frames):
                segments.append(Segment(video, begin, end, index, True, split))
    return segments


def _samples(splits: Mapping[Segment, Split], classes: Sequence[str]) -> list[Sample]:
    times: Counter[str] = Counter()
    samples = []
    for segment in sorted(splits, key=lambda s: s[:5]):
        name = f"{segment.video}:{segment.begin}-{segment.end}"
        times[name] += 1
        samples.append(
            Sample(
                sample=name if times[name] == 1 else f"{name}#{times[name]}",
                video=segment.video,
                begin=segment.begin,
                end=segment.end,
                label=classes[segment.class_index],
                class_index=segment.class_index,
                split=splits[segment],
                origin="mined" if segment.mined else "annotated",
            )
        )
    return samples


def _annotation_notes(videos: Iterable[str], annotations: Sequence[Annotation]) -> list[str]:
    notes = []
    unlabelled = sum(item.label is None for item in annotations)
    if unlabelled:
        notes.append(f"{unlabelled} unlabelled strokes left out")
    annotated = {item.video for item in annotations}
    labelled = {item.video for item in annotations if item.label is not None}
    for what, names in (
        ("videos without annotation", set(videos) - annotated),
        ("videos with unlabelled strokes only", annotated - labelled),
    ):
        if names:
            notes.append(f"{what}, left out: {_listed(names)}")
    return notes


def _video_notes(videos: Iterable[Video]) -> list[str]:
    notes = []
    same = defaultdict(list)
    for video in videos:
        same[video.sha256].append(video.video)
    notes += [
        f"videos of equal content: {_listed(names)}; see that they are in one split"
        for names in same.values()
        if len(names) > 1
    ]
    variable = [video.video for video in videos if video.variable_frame_rate]
    if variable:
        notes.append(
            f"videos of variable frame rate: {_listed(variable)}; frames are counted as they come"
        )
    return notes


def _class_notes(splits: Mapping[Segment, Split], classes: Sequence[str]) -> list[str]:
    trained = {segment.class_index for segment, split in splits.items() if split == "train"}
    absent = [name for index, name in enumerate(classes) if index not in trained]
    return [f"classes without training sample: {', '.join(absent)}"] if absent else []


def _listed(names: Iterable[str]) -> str:
    """Up to ten names in order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    return ", ".join(ordered[:10]) + more
