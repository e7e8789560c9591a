"""Submissions to the MediaEval Sport Task of 2020, 2021 and 2022: written, and checked.

A submission is a folder ``<Team>/<task>/<run>/`` with XML files, at most five runs a task:

- ``classificationTask``, 2020 and 2021: one file for each file of the template, with the same
  strokes, and one of the 20 strokes as ``move`` of each; 2022: one ``test.xml`` with the clips of
  the template, and one of these or ``Negative`` as ``class`` of each;
- ``detectionTask``, 2021 and 2022: one file for each test video, with elements ``action`` that have
  ``begin`` and ``end``; no two strokes of a video may have a temporal IoU above 0.5.

The rules are those of the organisers' scripts ``verif_submission.py`` (2021, 2022) and
``verif_xml_files.py`` (2020); for 2020, only classification, and what a folder of runs looks like
is taken from 2021. Frames count from 0, and `end` is exclusive, as their evaluation has it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree.ElementTree import ElementTree, TreeBuilder  # builds only: defusedxml parses

import numpy as np
from defusedxml.ElementTree import DefusedXMLParser

from twinstroke.annotations.classes import ttstroke21
from twinstroke.annotations.containers import VIDEO_SUFFIXES
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.records import frame_number
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.evaluate.detection import temporal_iou
from twinstroke.files import replacing
from twinstroke.findings import Findings, Place
from twinstroke.formats import mediaeval
from twinstroke.formats.mediaeval import Element, elements_of
from twinstroke.settings.choices import Edition
from twinstroke.tables import NEGATIVE
from twinstroke.video.probe import probe_video

Task = Literal["classificationTask", "detectionTask"]
TASKS: tuple[Task, ...] = ("classificationTask", "detectionTask")
MOST_RUNS = 5
MOST_IOU = 0.5
"""Two detected strokes of one video with a larger temporal IoU count as one, and are refused."""
LARGEST_FILE = 2**24
"""Bytes: a hundred thousand strokes. Anything larger is no file of the task."""
MOST_STROKES = 10_000
"""Of one video: comparing more with each other takes too long, and no video has as many."""

Classify = Callable[[Path, Sequence[tuple[int, int]]], Sequence[Mapping[str, float]]]
"""Takes a video and the begin and end of strokes in it; gives the probabilities of each one's
classes by name."""


class Written(NamedTuple):
    """What was written."""

    files: int
    strokes: int
    dropped: int = 0
    """Detections left out because a more probable one is about the same stroke."""


def class_names(edition: Edition) -> list[str]:
    """Names that a submission may give, in the order of the outputs of a network.

    The 20 strokes; in 2022 also ``Negative``, before them.
    """
    names = [row.label for row in ttstroke21()]
    return names if edition == 2022 else [name for name in names if name != NEGATIVE]


def run_folder(out: Path, team: str, task: Task, run: str) -> Path:
    """Folder of one run, which may exist already, with what the same run wrote before.

    Args:
        out: Where the folder of the team lies, or will.
        team: Name of the team, and of its folder.
        task: Which of the two.
        run: Name of the run; the organisers suggest digits.

    Raises:
        UserError: A name is none of a folder, or there are five other runs.
    """
    for what, name in (("team", team), ("run", run)):
        if not _is_plain(name):
            raise UserError(
                f"{what} {name!r} cannot name a folder; use letters, digits, '-' and '_'"
            )
    folder = out / team / task / run
    others = sorted(path.name for path in _folders(folder.parent) if path.name != run)
    if len(others) >= MOST_RUNS:
        raise UserError(
            f"{folder.parent}: has {len(others)} runs ({', '.join(others)}), and at most "
            f"{MOST_RUNS} may be submitted; remove one, or write over one of them"
        )
    return folder


def detection_videos(templates: Path, videos: Path) -> dict[str, int]:
    """The test videos of the detection task with their numbers of frames.

    Args:
        templates: Folder with an XML file for each of them, such as ``detectionTask/test``.
        videos: Folder of the videos (2022: the same), which may hold others too.

    Returns:
        Frames by the stem of the files, in their order.

    Raises:
        UserError: There is no XML file, a video is missing, or is none.
    """
    frames: dict[str, int] = {}
    problems: list[str] = []
    for file in _xml_files(templates):
        try:
            frames[file.stem] = probe_video(video_of(file.stem, videos)).frames
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return frames


def write_detections(
    run: Path, found: Mapping[str, Sequence[Detection]], frames: Mapping[str, int]
) -> Written:
    """Write one run of the detection task: a file for each test video, strokes in order of time.

    Of detections with a temporal IoU above 0.5, the one with the larger `stroke_probability` stays
    (the earlier one, if they are equal). What lies beyond the end of a video is cut off.

    Args:
        run: Folder of the run.
        found: Detections by video.
        frames: Number of frames of each test video, by the stem of its file. A video without
            detections gets a file without strokes, which the rules ask for.

    Raises:
        UserError: There are detections of a video that is no test video, a name is none of a file,
            or the folder holds something else.
    """
    problems = [
        f"{name!r} is no test video, but has detections; name videos by the stems of the test files"
        for name in sorted(set(found) - set(frames))
    ]
    problems += [
        f"video {name!r} cannot name a file; rename it" for name in frames if not _is_plain(name)
    ]
    if problems:
        raise UserError(problems)
    _refuse_others(run, {f"{name}.xml" for name in frames})
    strokes = dropped = 0
    for name, count in frames.items():
        inside = [row for row in found.get(name, ()) if row.begin < count]
        kept = _without_doubles(inside, count)
        dropped += len(inside) - len(kept)
        strokes += len(kept)
        mediaeval.write(run / f"{name}.xml", [Stroke(name, *ends) for ends in kept])
    return Written(len(frames), strokes, dropped)


def write_classifications(
    run: Path, template: Path, videos: Path, edition: Edition, classify: Classify
) -> Written:
    """Write one run of the classification task: the template with the classes filled in.

    Everything else of the template stays as it is. The class is the most probable one of those that
    the edition allows; so in 2020 and 2021 the most probable stroke, even where ``Negative`` is
    more probable. Of equally probable ones, the first in the order of `class_names` counts.

    Args:
        run: Folder of the run; nothing is written before everything is classified.
        template: Folder of the XML files of the test set; 2022: ``test.xml`` itself.
        videos: Folder of the test videos; 2022: of the test clips.
        edition: Year.
        classify: The network. It is called once a video, with the strokes in the order of the
            template; for a clip of 2022 with one stroke, the whole clip.

    Raises:
        UserError: The template is damaged, a video is missing, the folder holds something else, or
            the classes of the network are none of the task's.
    """
    files = [_listing(template)] if edition == 2022 else _xml_files(template)
    findings = Findings()
    jobs: list[tuple[Path, list[tuple[Path, list[tuple[int, int]]]]]] = []
    for file in files:
        elements = _read(file, "videos" if edition == 2022 else "video", findings) or []
        if edition == 2022:
            jobs.append((file, list(_clips(elements, videos, findings))))
        else:
            ranges = []
            for element in elements:
                begin, end = _ends(element, findings) or (0, 1)
                ranges.append((begin, end))
                if begin >= end:
                    found = f"begin {begin} is not before end {end}"
                    findings.error("time", element.place, found, _ORIGINAL)
            try:
                jobs.append((file, [(video_of(file.stem, videos), ranges)]))
            except UserError as error:
                findings.error("video", Place(str(file)), str(error))
    if findings.errors:
        raise UserError(str(item) for item in findings.errors)
    _refuse_others(run, {file.name for file in files})

    names = class_names(edition)
    chosen = [
        [name for video, ranges in parts for name in _named(video, ranges, names, classify)]
        for _, parts in jobs
    ]
    for (file, _), labels in zip(jobs, chosen, strict=True):
        _fill(file, run / file.name, "class" if edition == 2022 else "move", labels)
    return Written(len(files), sum(map(len, chosen)))


def check_submission(
    team: Path,
    edition: Edition,
    *,
    classification: Path | None = None,
    detection: Mapping[str, int] | None = None,
) -> list[str]:
    """Check the folder of a team, whoever wrote it, by the rules of the organisers.

    Args:
        team: ``<Team>``, with ``classificationTask/<run>/`` and ``detectionTask/<run>/``.
        edition: Year.
        classification: The template: folder of the XML files of the test set; 2022: ``test.xml``.
            None: this task is not checked.
        detection: Number of frames of each test video by the stem of its file, as
            `detection_videos` gives it. None: this task is not checked.

    Returns:
        One line for each problem: file and line, what was found, what was expected, what to do;
        empty if the submission is sound. Of one kind in one file, at most 1,000.

    Raises:
        UserError: The template cannot be read, or 2020 is asked for detection, which it had not.
    """
    if edition == 2020 and detection is not None:
        raise UserError("MediaEval 2020 had no detection task; check 2021 or 2022")
    findings = Findings()
    if not team.is_dir():
        findings.error("folder", Place(str(team)), "no such folder", "name the folder of the team")
        return [str(item) for item in findings.errors]
    for path in sorted(team.iterdir()):
        if path.name not in TASKS or not path.is_dir():
            findings.error(
                "folder",
                Place(str(path)),
                f"is none of the folders {' and '.join(TASKS)}, where runs are looked for",
                "rename or remove it",
            )
    if classification is not None:
        check = _classification_check(classification, edition)
        for run in _runs(team / "classificationTask", findings):
            check(run, findings)
    if detection is not None:
        for run in _runs(team / "detectionTask", findings):
            _check_detection(run, detection, findings)
    return [str(item) for item in findings.errors]


_ORIGINAL = "take the template again as the organisers gave it"
_SAME = "submit exactly the strokes of the template"


def _is_plain(name: str) -> bool:
    """Whether a name, from whomever, is one of a file or folder right here."""
    return (
        name.isprintable()
        and not name.startswith(".")
        and not set(name) & set('/\\:*?"<>|')
        and 0 < len(name) <= 200
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _xml_files(folder: Path) -> list[Path]:
    found = []
    if folder.is_dir():
        found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".xml"]
        found = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise UserError(
            f"{folder}: no XML files there; name the folder of the test set's XML files"
        )
    return found


def _listing(template: Path) -> Path:
    """The ``test.xml`` of 2022, named itself or by its folder."""
    file = template / "test.xml" if template.is_dir() else template
    if not file.is_file():
        raise UserError(f"{file}: no such file; name the test.xml of the classification task")
    return file


def video_of(stem: str, videos: Path) -> Path:
    """The one video with this stem."""
    found = []
    if videos.is_dir():
        found = sorted(
            path
            for path in videos.iterdir()
            if path.stem == stem and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
        )
    if len(found) != 1:
        several = ", ".join(path.name for path in found)
        raise UserError(
            f"{videos}: {f'several videos of one name ({several})' if found else 'no video'} for "
            f"{stem}.xml; {'leave one of them' if found else 'put it there, or name its folder'}"
        )
    return found[0]


def _refuse_others(run: Path, wanted: set[str]) -> None:
    """See that only files that are about to be written lie in the folder of a run."""
    others = sorted({path.name for path in run.iterdir()} - wanted) if run.is_dir() else []
    if others:
        raise UserError(
            f"{run}: holds {others[0]!r}{f' and {len(others) - 1} more' if others[1:] else ''}, "
            "which is no file of this run; remove it, or name another run"
        )


def _without_doubles(found: Sequence[Detection], frames: int) -> list[tuple[int, int]]:
    """Ranges that remain when of each two above `MOST_IOU` the less probable one goes, by time."""
    ranked = sorted(found, key=lambda row: (-row.stroke_probability, row.begin, row.end))
    kept: list[tuple[int, int]] = []
    for row in ranked:
        ends = row.begin, min(row.end, frames)
        if not (temporal_iou([ends], kept) > MOST_IOU).any():
            kept.append(ends)
    return sorted(kept)


def _clips(
    elements: Sequence[Element], videos: Path, findings: Findings
) -> Iterable[tuple[Path, list[tuple[int, int]]]]:
    for place, attributes in elements:
        name = attributes.get("name", "")
        video = videos / name
        if not _is_plain(name) or not video.is_file():
            findings.error(
                "video",
                place,
                f"no clip {name[:100]!r} in {videos}",
                "put it there, or name the folder of the test clips",
            )
            continue
        try:
            yield video, [(0, probe_video(video).frames)]
        except UserError as error:
            findings.error("video", place, str(error))


def _named(
    video: Path, ranges: Sequence[tuple[int, int]], names: Sequence[str], classify: Classify
) -> list[str]:
    """The most probable of the allowed names for each stroke."""
    if not ranges:
        return []
    labels = []
    for probabilities in classify(video, ranges):
        known = [name for name in names if name in probabilities]
        if not known:
            raise UserError(
                f"{video}: the network's classes ({', '.join(sorted(probabilities))[:200]}) are "
                "none of the task's; use a network trained on the strokes of TTStroke-21"
            )
        labels.append(max(known, key=lambda name: probabilities[name]))
    if len(labels) != len(ranges):
        raise ValueError(f"{len(labels)} classes of {len(ranges)} strokes")
    return labels


def _fill(template: Path, target: Path, attribute: str, labels: Sequence[str]) -> None:
    parser = DefusedXMLParser(target=TreeBuilder(insert_comments=True), forbid_dtd=True)
    tree = ElementTree()
    with template.open("rb") as stream:
        tree.parse(stream, parser)
    root = tree.getroot()
    elements = [] if root is None else [item for item in root if isinstance(item.tag, str)]
    for element, label in zip(elements, labels, strict=True):
        element.set(attribute, label)
    with replacing(target) as partial:
        tree.write(partial, encoding="UTF-8", xml_declaration=True)


def _read(file: Path, root: str, findings: Findings) -> list[Element] | None:
    """Elements of a file, or None, with an error, if it is not of the task."""
    if file.stat().st_size > LARGEST_FILE:
        findings.error(
            "size", Place(str(file)), f"is larger than {LARGEST_FILE // 2**20} MiB", "write it anew"
        )
        return None
    own, elements, is_whole = elements_of(file, findings)
    if not is_whole:
        return None
    if own != root:
        if own in ("video", "videos"):
            findings.error(
                "xml",
                Place(str(file)),
                f"its root is {own!r}, not {root!r}",
                "see that the edition and the task are right",
            )
        return None
    return elements


def _ends(element: Element, findings: Findings) -> tuple[int, int] | None:
    place, attributes = element
    begin, end = (frame_number(attributes.get(name, "")) for name in ("begin", "end"))
    for name, number in (("begin", begin), ("end", end)):
        if number is None:
            found = f"{name} is {attributes[name][:40]!r}" if name in attributes else f"no {name}"
            findings.error("time", place, found, "write a whole frame number, 0 or more")
    return None if begin is None or end is None else (begin, end)


def _runs(task: Path, findings: Findings) -> list[Path]:
    """Folders of the runs of a task; notes what else is there, and too many."""
    if not task.is_dir():
        findings.error("folder", Place(str(task)), "no such folder", "put the runs there")
        return []
    runs = _folders(task)
    for path in sorted(set(task.iterdir()) - set(runs)):
        findings.error(
            "folder", Place(str(path)), "is no folder of a run", "put it into one, or remove it"
        )
    if not runs:
        findings.error("runs", Place(str(task)), "holds no run", "put at least one folder there")
    if len(runs) > MOST_RUNS:
        findings.error(
            "runs",
            Place(str(task)),
            f"holds {len(runs)} runs, at most {MOST_RUNS} may be submitted",
            f"remove {len(runs) - MOST_RUNS}",
        )
    return runs


def _present(run: Path, names: Iterable[str], findings: Findings) -> list[Path]:
    """Files of these names in a run; notes those that are missing, and any other."""
    wanted = sorted(names)
    there = {path.name for path in run.iterdir()}
    for name in sorted(set(wanted) - there):
        findings.error("files", Place(str(run / name)), "is missing", "each run has all test files")
    for name in sorted(there - set(wanted)):
        findings.error("files", Place(str(run / name)), "is no file of the test set", "remove it")
    present = []
    for file in (run / name for name in wanted if name in there):
        # A link would lead out of what is sent in.
        if file.is_symlink() or not file.is_file():
            findings.error("files", Place(str(file)), "is no ordinary file", "put the file there")
        else:
            present.append(file)
    return present


def _classification_check(template: Path, edition: Edition) -> Callable[[Path, Findings], None]:
    """Read the template, and give what checks a run against it."""
    findings = Findings()
    names = class_names(edition)
    if edition == 2022:
        listing = _listing(template)
        clips = [
            item.attributes.get("name", "") for item in _read(listing, "videos", findings) or []
        ]
    else:
        strokes: dict[str, Counter[tuple[int, int]]] = {}
        for file in _xml_files(template):
            elements = _read(file, "video", findings) or []
            strokes[file.name] = Counter(
                ends for element in elements if (ends := _ends(element, findings))
            )
    if findings.errors:
        raise UserError(str(item) for item in findings.errors)

    def check(run: Path, findings: Findings) -> None:
        if edition == 2022:
            for file in _present(run, ["test.xml"], findings):
                _check_clips(file, clips, names, findings)
        else:
            for file in _present(run, strokes, findings):
                _check_strokes(file, strokes[file.name], names, findings)

    return check


def _check_clips(
    file: Path, clips: Sequence[str], names: Sequence[str], findings: Findings
) -> None:
    elements = _read(file, "videos", findings)
    if elements is None:
        return
    _check_number(file, len(elements), len(clips), "clips", findings)
    seen: set[str] = set()
    for element in elements:
        name = element.attributes.get("name", "")
        if name not in clips:
            findings.error("items", element.place, f"{name[:100]!r} is no test clip", "remove it")
        elif name in seen:
            findings.error("items", element.place, f"{name!r} stands twice", "leave one of them")
        seen.add(name)
        _check_class(element, "class", names, findings)
    for name in sorted(set(clips) - seen):
        findings.error("items", Place(str(file)), f"clip {name!r} is missing", "add it")


def _check_strokes(
    file: Path, strokes: Counter[tuple[int, int]], names: Sequence[str], findings: Findings
) -> None:
    elements = _read(file, "video", findings)
    if elements is None:
        return
    _check_number(file, len(elements), strokes.total(), "strokes", findings)
    left = strokes.copy()
    for element in elements:
        ends = _ends(element, findings)
        if ends is not None and left[ends] > 0:
            left[ends] -= 1
        elif ends is not None:
            begin, end = ends
            found = f"the template has no stroke (or no other) from {begin} to {end}"
            findings.error("items", element.place, found, _SAME)
        _check_class(element, "move", names, findings)
    for begin, end in sorted(left.elements()):
        found = f"the stroke from {begin} to {end} is missing"
        findings.error("items", Place(str(file)), found, _SAME)


def _check_number(file: Path, found: int, expected: int, what: str, findings: Findings) -> None:
    if found != expected:
        findings.error(
            "number", Place(str(file)), f"{found} {what}, {expected} were expected", _SAME
        )


def _check_class(
    element: Element, attribute: str, names: Sequence[str], findings: Findings
) -> None:
    label = element.attributes.get(attribute)
    if label in names:
        return
    if label is None:
        findings.error("class", element.place, f"no {attribute}", "name the class")
        return
    close = difflib.get_close_matches(label[:100], names, n=1, cutoff=0.8)
    advice = f"did you mean {close[0]!r}?" if close else f"take one of: {', '.join(names)}"
    found = f"{attribute} {label[:100]!r} is none of the {len(names)} classes"
    findings.error("class", element.place, found, advice)


def _check_detection(run: Path, frames: Mapping[str, int], findings: Findings) -> None:
    for file in _present(run, (f"{name}.xml" for name in frames), findings):
        elements = _read(file, "video", findings)
        if elements is None:
            continue
        count = frames[file.stem]
        sound: list[tuple[int, int]] = []
        places: list[Place] = []
        for element in elements:
            ends = _ends(element, findings)
            if ends is None:
                continue
            begin, end = ends
            if begin > end:
                found = f"begin {begin} is after end {end}"
                findings.error("time", element.place, found, "correct one of them")
            elif end > count:
                found = f"end {end} is beyond the {count} frames of the video"
                findings.error("time", element.place, found, "cut the stroke there")
            else:
                sound.append(ends)
                places.append(element.place)
        if len(sound) > MOST_STROKES:
            found = f"{len(sound)} strokes, more than any video has (at most {MOST_STROKES})"
            findings.error("number", Place(str(file)), found, "see that the file is right")
        else:
            _check_doubles(sound, places, findings)


def _check_doubles(
    ranges: Sequence[tuple[int, int]], places: Sequence[Place], findings: Findings
) -> None:
    array = np.array(ranges, np.int64).reshape(-1, 2)
    for row, place in enumerate(places):
        earlier = np.flatnonzero(temporal_iou(array[row], array[:row])[0] > MOST_IOU)
        if len(earlier):
            first = int(earlier[0])
            begin, end = ranges[row]
            findings.error(
                "double",
                place,
                f"the stroke from {begin} to {end} has a temporal IoU above {MOST_IOU} with "
                f"that from {ranges[first][0]} to {ranges[first][1]} in line {places[first].row}",
                "leave the better one of them",
            )
