"""Read, probe, check, merge, mine, split: the whole of the stage but for writing its tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, TypeVar

from twinstroke.errors import UserError
from twinstroke.files import sha256_of
from twinstroke.index.agreement import ClassAgreement, measure_agreement
from twinstroke.index.annotations import Annotation, Reading
from twinstroke.index.checks import (
    check_classes,
    check_lengths,
    check_splits,
    overlapping,
    without_repetitions,
)
from twinstroke.index.classes import ClassList, StrokeClass, close_pairs
from twinstroke.index.consensus import Stroke, merge
from twinstroke.index.findings import Finding, Findings, Place
from twinstroke.index.folders import find_files
from twinstroke.index.formats import read_annotations
from twinstroke.index.leaks import leak_report
from twinstroke.index.md5sums import verify_md5sums
from twinstroke.index.probe import Probe, probe_video
from twinstroke.index.report import lines
from twinstroke.index.resolve import resolved
from twinstroke.index.rows import SUFFIXES, read_rows
from twinstroke.index.samples import cut_segments, places_of, sample_of, unit_of
from twinstroke.index.split import Placement, assign_splits
from twinstroke.index.video_checks import check_decoding, video_findings
from twinstroke.progress import progress_bar
from twinstroke.settings import IndexSettings
from twinstroke.tables import SPLITS, Sample, Video

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Index:
    """Everything that the stage writes."""

    format: str
    """Format of the annotations, and how it was recognised."""
    videos: list[Video]
    """Videos that have samples, by id."""
    samples: list[Sample]
    """By video, begin and end."""
    classes: list[StrokeClass]
    """In the order of the network's outputs."""
    findings: list[Finding]
    """Errors (of what was left out), then warnings."""
    placements: list[Placement]
    """Where the draw put each video, group or stroke; for the next run."""
    agreement: list[ClassAgreement]
    """Of several annotators, by class."""
    facts: dict[str, Any]
    """Numbers for the metrics: sizes, leaks, agreement, what was left out."""


class BrokenDataError(UserError):
    """The data set holds errors; a line for each, and warnings beside."""

    def __init__(self, findings: Findings) -> None:
        """Keep all findings; the message is made of the errors."""
        self.findings = findings.all
        super().__init__(lines(findings.errors))


def build_index(
    settings: IndexSettings,
    *,
    raw: Path,
    root: Path,
    seed: int,
    workers: int,
    window: int,
    context: int,
    kept: Sequence[Placement] = (),
) -> Index:
    """Make the tables of videos and samples from a folder of raw data.

    Strokes of unknown class take part in the checks and bound the gaps from which negatives are
    cut, but are no samples; a video with no other strokes is left out.

    Args:
        settings: Format, folders, classes and rules.
        raw: Folder of the raw data, below `root`.
        root: The project's folder, to which the paths of videos are relative.
        seed: Seed of the draws.
        workers: Videos that are read at the same time.
        window: Length of the network's window in source frames.
        context: Source frames that later stages need on both sides of a window or stroke.
        kept: Where the last run put what it drew.

    Raises:
        BrokenDataError: Something cannot be used, and the settings say to stop then; or nothing
            usable is left.
        UserError: There is no raw folder, or its format cannot be recognised.
    """
    if not raw.is_dir():
        raise UserError(f"{raw}: no such folder; put the videos and annotations there")
    findings = Findings()
    place = Place(str(raw))
    reading = Reading(ClassList(settings), findings)
    form = read_annotations(raw, settings, reading)
    annotations = _with_groups(reading, raw, settings)
    _note_unused(reading, annotations, place)

    damaged = verify_md5sums(raw, findings, workers)
    labelled = {item.video for item in annotations if item.label is not None}
    paths = {
        video: path
        for video, path in reading.videos.items()
        if video in labelled and path not in damaged
    }
    probes, unfit = _probed(paths, settings, workers, findings)
    clocks = {video: probe.clock for video, probe in probes.items()}
    strokes = resolved(annotations, clocks, settings, findings)
    merged = merge(without_repetitions(strokes, findings), settings.consensus, findings)
    # What annotators could not agree about is known already.
    clear = [s for s in merged if s.label is not None or not s.members]
    wrong = overlapping(clear, settings.max_overlap, findings)
    usable = [s for s in merged if s.label is not None and s not in wrong]
    needed = None if settings.full_decode else _needed(usable, window, context)
    unfit |= _undecodable(usable, needed, paths, probes, workers, findings)
    usable = [s for s in usable if s.video not in unfit]
    same = _equal_contents(probes, paths, findings)
    stops = settings.broken == "stop"
    if stops and findings.errors and settings.split.rule not in ("given", "names"):
        # What would be drawn of the rest is of no interest.
        raise BrokenDataError(findings)

    tolerable = len(findings.errors)
    classes = reading.classes.names
    segments = cut_segments(usable, merged, settings.negatives, seed)
    units = [unit_of(segment) for segment in segments]
    splits, placements = assign_splits(
        units, settings.split, seed=seed, same=same, kept=kept, findings=findings
    )
    samples = [sample_of(s, splits[s.name], classes) for s in segments if s.name in splits]
    # Where the run stops anyway, an empty split is but a consequence of what is named already.
    if len(findings.errors) == (0 if stops else tolerable):
        check_splits(samples, place, findings)
    check_classes(samples, classes, place, findings)
    check_lengths(samples, places_of(segments), window, findings)
    _check_names(reading.classes, place, findings)
    leaks = leak_report(units, splits, same)
    leaks.warn(findings, group=settings.split.group)
    # What is wrong with single strokes and videos may be left out; with the whole, not.
    if len(findings.errors) > (0 if stops else tolerable):
        raise BrokenDataError(findings)
    used = sorted({sample.video for sample in samples})
    agreed = measure_agreement(merged)
    return Index(
        format=form,
        videos=[_video(video, paths[video], probes[video], root) for video in used],
        samples=samples,
        classes=reading.classes.table,
        findings=findings.all,
        placements=placements,
        agreement=agreed.classes if agreed else [],
        facts={
            "videos": len(used),
            "strokes": _sizes(samples, "annotated"),
            "negatives": _sizes(samples, "mined"),
            "classes": len(classes),
            "left_out": {
                "errors": findings.count("error"),
                "videos": ", ".join(sorted(labelled - set(used))),
            },
            "leaks": leaks.counts,
            **({"agreement": agreed.facts} if agreed else {}),
        },
    )


def _with_groups(reading: Reading, raw: Path, settings: IndexSettings) -> list[Annotation]:
    """Fill in the group that the table of groups names, where the annotation names none."""
    if not settings.groups:
        return reading.annotations
    column = settings.split.group.lower()
    groups = {}
    for file in find_files(raw, settings.groups, SUFFIXES, reading.findings):
        for place, row in read_rows(file, ("video", column), reading.findings):
            video = reading.video_named(row["video"], place)
            if video is not None:
                groups[video] = row[column]
    return [
        item if item.group else replace(item, group=groups.get(item.video, ""))
        for item in reading.annotations
    ]


def _note_unused(reading: Reading, annotations: Sequence[Annotation], place: Place) -> None:
    labelled = {item.video for item in annotations if item.label is not None}
    present = {item.video for item in annotations}
    for video, path in reading.videos.items():
        if video not in labelled:
            found = "all its strokes are unlabelled" if video in present else "has no stroke"
            reading.findings.warning(
                "unused", Place(str(path)), found, "it is left out", video=video
            )
    unlabelled = sum(item.label is None for item in annotations)
    if unlabelled:
        reading.findings.warning(
            "unlabelled",
            place,
            f"{unlabelled:,} stroke{'s' if unlabelled > 1 else ''} without a class",
            "no samples, but nothing is mined there",
        )


def _probed(
    paths: Mapping[str, Path], settings: IndexSettings, workers: int, findings: Findings
) -> tuple[dict[str, Probe], set[str]]:
    """Probe videos; give what was found, and which of them cannot be used all the same."""
    probes, unfit = {}, set()
    outcomes = _parallel("probe", _probe, [*paths.items()], workers)
    for (video, path), outcome in zip(paths.items(), outcomes, strict=True):
        if isinstance(outcome, UserError):
            for problem in outcome.problems:
                found, _, advice = problem.removeprefix(f"{path}: ").rpartition("; ")
                findings.error("video", Place(str(path)), found, advice, video=video)
            continue
        probes[video] = outcome
        found_in_video = video_findings(path, video, outcome, settings)
        findings.extend(found_in_video)
        if any(item.severity == "error" for item in found_in_video):
            unfit.add(video)
    return probes, unfit


def _probe(item: tuple[str, Path]) -> Probe | UserError:
    try:
        return probe_video(item[1])
    except UserError as error:
        return error


def _needed(
    strokes: Iterable[Stroke], window: int, context: int
) -> dict[str, tuple[int, int, int]]:
    """First, middle and last frame of each video that a later stage needs for its strokes."""
    ranges = defaultdict(list)
    for stroke in strokes:
        around = context + max(0, window - (stroke.end - stroke.begin) + 1) // 2
        ranges[stroke.video].append((max(0, stroke.begin - around), stroke.end - 1 + around))
    return {
        video: (min(own)[0], sum(own[len(own) // 2]) // 2, max(last for _, last in own))
        for video, own in ranges.items()
    }


def _undecodable(
    strokes: Iterable[Stroke],
    needed: Mapping[str, tuple[int, int, int]] | None,
    paths: Mapping[str, Path],
    probes: Mapping[str, Probe],
    workers: int,
    findings: Findings,
) -> set[str]:
    """Videos with strokes in which one of the needed frames (None: any frame) does not decode."""

    def check(video: str) -> list[Finding]:
        last = probes[video].frames - 1
        frames = None if needed is None else [min(frame, last) for frame in needed[video]]
        return check_decoding(paths[video], video, probes[video], frames)

    videos = sorted({stroke.video for stroke in strokes})
    broken = set()
    for video, outcome in zip(videos, _parallel("decode", check, videos, workers), strict=True):
        findings.extend(outcome)
        if outcome:
            broken.add(video)
    return broken


def _parallel(
    what: str, function: Callable[[A], B], items: Sequence[A], workers: int
) -> Iterator[B]:
    """Apply a function that waits for FFmpeg to items, in order, and show the progress."""
    with progress_bar(f"index: {what}", len(items), "videos") as bar, ThreadPool(workers) as pool:
        for outcome in pool.imap(function, items):
            yield outcome
            bar.update()


def _equal_contents(
    probes: Mapping[str, Probe], paths: Mapping[str, Path], findings: Findings
) -> list[frozenset[str]]:
    """Videos that hold the same pictures, whatever their names and containers; warn of them."""
    contents = defaultdict(list)
    for video, probe in probes.items():
        contents[probe.content].append(video)
    same = [videos for videos in contents.values() if len(videos) > 1]
    for first, *others in same:
        findings.warning(
            "content",
            Place(str(paths[first])),
            f"has the same content as {', '.join(str(paths[video]) for video in others)}",
            "keep one of them, or see that they are in one split",
            video=first,
        )
    return [frozenset(videos) for videos in same]


def _check_names(classes: ClassList, place: Place, findings: Findings) -> None:
    """Warn of names that differ little, where every label is a class."""
    for one, other in close_pairs(classes.names) if classes.are_found else ():
        findings.warning(
            "label",
            place,
            f"the classes {one!r} and {other!r} differ little",
            "if they are the same, say so in index.aliases",
        )


def _sizes(samples: Iterable[Sample], origin: str) -> dict[str, int]:
    """Samples of each split that were annotated, or mined."""
    sizes = Counter(sample.split for sample in samples if sample.origin == origin)
    return {split: sizes[split] for split in SPLITS}


def _video(video: str, path: Path, probe: Probe, root: Path) -> Video:
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
