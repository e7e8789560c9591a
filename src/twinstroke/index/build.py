"""Read, probe, check, merge, mine, split: the whole of the stage but for writing its tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinstroke.annotations.classes import ClassList, close_pairs
from twinstroke.annotations.groups import with_groups
from twinstroke.annotations.records import Annotation, Reading
from twinstroke.annotations.regions import inside_pictures, with_boxes, with_regions
from twinstroke.annotations.resolve import resolved
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.findings import Finding, Findings, Place, named_list
from twinstroke.formats.reading import NoVideosError, read_annotations
from twinstroke.index.agreement import Agreement, measure_agreement
from twinstroke.index.alike import check_alike, check_parts
from twinstroke.index.checks import (
    check_classes,
    check_lengths,
    check_splits,
    overlapping,
    without_repetitions,
)
from twinstroke.index.consensus import merge
from twinstroke.index.leaks import leak_report
from twinstroke.index.md5sums import verify_md5sums
from twinstroke.index.report import lines
from twinstroke.index.samples import named_samples, sample_of, unlabelled_of
from twinstroke.index.split import Placement, assign_splits
from twinstroke.index.videos import (
    Footage,
    equal_contents,
    frames_to_try,
    probe_videos,
    undecodable,
    video_row,
)
from twinstroke.regions import PlayerRegion
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.index import IndexSettings, SplitSettings
from twinstroke.tables import SPLITS, Sample, StrokeClass, Unlabelled, Video

EVERY_FRAME = DecodeSettings(width=320)


@dataclass(frozen=True)
class Index:
    """Everything that the stage writes."""

    format: str
    """Format of the annotations, and how it was recognised."""
    videos: list[Video]
    """Videos that have samples, by id."""
    samples: list[Sample]
    """By video, begin and end."""
    unlabelled: list[Unlabelled]
    """Strokes of these videos that are no samples, because their class is not known."""
    regions: list[PlayerRegion]
    """Of the players of these videos, where it is said where they are."""
    classes: list[StrokeClass]
    """In the order of the network's outputs."""
    findings: list[Finding]
    """Errors (of what was left out), then warnings."""
    placements: list[Placement]
    """Where the draw put each video, group or stroke; for the next run."""
    agreement: Agreement | None
    """Of several annotators; None if nowhere are several."""
    facts: dict[str, Any]
    """Numbers for ``data.json``: sizes, leaks, agreement, what was left out."""


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
    decode: DecodeSettings = EVERY_FRAME,
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
        window: Length of the network's window in counted frames.
        context: Counted frames that later stages need on both sides of a window or stroke.
        kept: Where the last run put what it drew.
        decode: Which frames are counted, and limits of the runs of FFmpeg.

    Raises:
        BrokenDataError: Something cannot be used, and the settings say to stop then; or nothing
            usable is left.
        NoVideosError: There is no raw folder, or no video in it that is needed.
        UserError: Its format cannot be recognised.
    """
    if not raw.is_dir():
        raise NoVideosError(
            f"{raw}: no such folder; put the videos and annotations there (the built-in data set: "
            "dvc repro synthesize)"
        )
    findings = Findings()
    place = Place(str(raw))
    damaged = verify_md5sums(raw, findings, workers)
    reading = Reading(ClassList(settings), findings)
    form = read_annotations(raw, settings, reading, damaged)
    annotations = with_groups(reading, raw, settings)
    labelled = {item.video for item in annotations if item.label is not None}
    _note_unused(reading, annotations, labelled, place)

    paths = {video: path for video, path in reading.videos.items() if path not in damaged}
    recorded = {video: rate for video, (rate, _) in reading.recorded.items() if rate}
    footage, unfit = probe_videos(paths, labelled, settings, decode, recorded, workers, findings)
    pictures = {video: (own.probe.width, own.probe.height) for video, own in footage.items()}
    if settings.boxes == "regions":
        group = settings.split.group
        annotations = with_boxes(annotations, reading.boxes, pictures, findings, group)
    annotations = with_regions(annotations, findings, settings.split.group)
    annotations = inside_pictures(annotations, pictures, findings)
    strokes = _resolved(annotations, labelled, footage, settings, findings)
    stops = settings.broken == "stop"
    mines = settings.negatives.rule != "none"
    unsure = _unsure(findings, reading.annotations, place) if mines and not stops else set()
    merged = merge(without_repetitions(strokes, findings), settings.consensus, findings)
    named = [stroke for stroke in merged if stroke.label is not None]
    wrong = overlapping(named, settings.max_overlap, findings)
    usable = [stroke for stroke in named if stroke not in wrong]
    needed = None if settings.full_decode else frames_to_try(usable, window, context)
    seen = sorted({stroke.video for stroke in usable})
    unfit |= undecodable(seen, needed, paths, footage, workers, findings, decode.limits)
    usable = [stroke for stroke in usable if stroke.video not in unfit]
    same = equal_contents(footage, paths, findings)
    check_parts(paths, findings)
    check_alike({video: footage[video].probe for video in seen}, paths, findings)
    if stops and findings.errors and settings.split.rule not in ("given", "names"):
        # What would be drawn of the rest is of no interest.
        raise BrokenDataError(findings)

    tolerable = len(findings.errors)
    classes = reading.classes.names
    chosen = named_samples(usable, merged, unsure, settings.negatives, seed)
    if mines and chosen and not unsure and not any(item.mined for item in chosen.values()):
        findings.warning(
            "negatives",
            place,
            f"no gap between strokes holds a negative of {settings.negatives.frames} frames",
            "shorten index.negatives.frames, or set index.negatives.rule to none",
        )
    splits, placements = assign_splits(
        chosen, settings.split, seed=seed, same=same, kept=kept, findings=findings
    )
    samples = [
        sample_of(name, item, splits[name], classes)
        for name, item in chosen.items()
        if name in splits
    ]
    # Where the run stops anyway, an empty split is but a consequence of what is named already.
    if len(findings.errors) == (0 if stops else tolerable):
        check_splits(samples, place, findings)
    check_classes(samples, classes, place, findings)
    check_lengths(samples, chosen, window, findings)
    _check_names(reading.classes, annotations, settings.split.group, place, findings)
    _check_people(annotations, settings.split, findings)
    leaks = leak_report(chosen, splits, same)
    leaks.warn(findings, group=settings.split.group)
    # What is wrong with single strokes and videos may be left out; with the whole, not.
    if len(findings.errors) > (0 if stops else tolerable):
        raise BrokenDataError(findings)
    used = sorted({sample.video for sample in samples})
    agreed = measure_agreement(merged)
    return Index(
        format=form,
        videos=[video_row(video, paths[video], footage[video], root) for video in used],
        samples=samples,
        unlabelled=unlabelled_of(merged, usable, used),
        regions=_regions(merged, used, pictures),
        classes=reading.classes.table,
        findings=findings.all,
        placements=placements,
        agreement=agreed,
        facts={
            "videos": len(used),
            "strokes": _sizes(samples, "annotated"),
            "negatives": _sizes(samples, "mined"),
            "classes": len(classes),
            "left_out": _left_out(findings, wrong, labelled - set(used)),
            "leaks": leaks.counts,
            **({"agreement": agreed.facts} if agreed else {}),
        },
    )


def _regions(
    strokes: Iterable[Stroke], videos: Container[str], pictures: Mapping[str, tuple[int, int]]
) -> list[PlayerRegion]:
    """Where the players of some videos are, by video and player."""
    found = {stroke.lane: stroke.region for stroke in strokes if stroke.video in videos}
    return [
        PlayerRegion(
            video=video,
            group=group,
            **region._asdict(),
            picture_width=pictures[video][0],
            picture_height=pictures[video][1],
        )
        for (video, group), region in sorted(found.items())
        if region
    ]


def _note_unused(
    reading: Reading, annotations: Sequence[Annotation], labelled: Container[str], place: Place
) -> None:
    present = {item.video for item in annotations}
    for video, path in reading.videos.items():
        if video in labelled:
            continue
        if video in present:
            found = "all its strokes are unlabelled"
        elif video in reading.annotated:
            found = "none of its strokes can be used, or there is none"
        else:
            found = "has no stroke"
        reading.findings.warning("unused", Place(str(path)), found, "it is left out", video=video)
    unlabelled = sum(item.label is None for item in annotations)
    if unlabelled:
        reading.findings.warning(
            "unlabelled",
            place,
            f"{unlabelled:,} stroke{'s' if unlabelled > 1 else ''} without a class",
            "no samples, but nothing is mined there",
        )


def _resolved(
    annotations: Iterable[Annotation],
    labelled: Container[str],
    footage: Mapping[str, Footage],
    settings: IndexSettings,
    findings: Findings,
) -> list[Stroke]:
    """Strokes in counted frames; what is wrong where no sample can be made, is a warning."""
    clocks = {video: own.probe.clock for video, own in footage.items()}
    counted = {video: own.counted for video, own in footage.items()}
    strokes = []
    for is_labelled in (True, False):
        own = Findings()
        part = [item for item in annotations if (item.video in labelled) == is_labelled]
        strokes += resolved(part, clocks, settings, own, counted)
        findings.extend(own.all if is_labelled else own.as_warnings)
    return strokes


def _unsure(findings: Findings, annotations: Iterable[Annotation], place: Place) -> set[str]:
    """Videos in which a stroke was lost, nobody knows where: a negative might be cut over it."""
    videos_of: dict[str, set[str]] = defaultdict(set)
    for item in annotations:
        videos_of[item.place.file].add(item.video)
    unsure: set[str] = set()
    for error in findings.errors:
        # Strokes with these errors are still there.
        if error.file in videos_of and error.check not in ("label", "split", "video"):
            unsure |= {error.video} if error.video else videos_of[error.file]
    if unsure:
        findings.warning(
            "negatives",
            place,
            f"strokes were lost at times that are not known in {named_list(unsure)}",
            "no negatives are cut from these videos",
        )
    return unsure


def _check_names(
    classes: ClassList,
    annotations: Iterable[Annotation],
    group: str,
    place: Place,
    findings: Findings,
) -> None:
    """Warn of names that differ so little that they may be meant to be one."""
    pairs = [("class", pair) for pair in (close_pairs(classes.names) if classes.are_found else ())]
    for what, names in (
        (group, {item.group for item in annotations}),
        ("annotator", {item.annotator for item in annotations}),
    ):
        folded: dict[str, str] = {}
        for name in sorted(names):
            other = folded.setdefault(name.casefold(), name)
            if other != name:
                pairs.append((what, (other, name)))
    for what, (one, other) in pairs:
        findings.warning(
            "names",
            place,
            f"{what} {one!r} and {what} {other!r} differ little",
            "if they are the same, write them alike"
            + (" or say so in index.aliases" if what == "class" else ""),
        )


def _check_people(
    annotations: Iterable[Annotation], settings: SplitSettings, findings: Findings
) -> None:
    """Warn of videos with nameless annotators beside others, and of groups that share a video.

    Where regions say that several players are in it, that is meant.
    """
    groups: dict[str, dict[str, Place]] = defaultdict(dict)
    people: dict[str, dict[str, Place]] = defaultdict(dict)
    for item in annotations:
        groups[item.video].setdefault(item.group, item.place)
        people[item.video].setdefault(item.annotator, item.place)
    for video, named in people.items():
        if "" in named and len(named) > 1:
            findings.warning(
                "annotator",
                named[""],
                f"names no annotator, but other strokes of {video!r} do",
                "nobody counts as one more person; fill in the name",
                video=video,
            )
    apart = {item.video for item in annotations if item.region}
    for video, named in groups.items():
        several = sorted(named.keys() - {""})
        if settings.rule == "group" and len(several) > 1 and video not in apart:
            findings.warning(
                "group",
                named[several[1]],
                f"video {video!r} has strokes of {settings.group} {named_list(several)}",
                "they go to the same split, because they share it; correct it if one is wrong",
                video=video,
            )


def _left_out(
    findings: Findings, wrong: Iterable[Stroke], videos: Iterable[str]
) -> dict[str, int | str]:
    """What errors cost: how many there were, which strokes (file:row), and which whole videos."""
    strokes = {str(Place(item.file, item.row)) for item in findings.errors if item.row}
    strokes |= {str(stroke.place) for stroke in wrong}
    return {
        "errors": findings.count("error"),
        "strokes": named_list(strokes),
        "videos": named_list(videos),
    }


def _sizes(samples: Iterable[Sample], origin: str) -> dict[str, int]:
    """Samples of each split that were annotated, or mined."""
    sizes = Counter(sample.split for sample in samples if sample.origin == origin)
    return {split: sizes[split] for split in SPLITS}
