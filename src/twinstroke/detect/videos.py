"""Strokes of the videos that somebody names: found, and written to one folder."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from twinstroke.annotations.classes import with_superclasses
from twinstroke.detect.data_set import THERE, pace
from twinstroke.detect.found import Found, detect
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.video import Opened, looking_at, open_video
from twinstroke.detect.written import write_found
from twinstroke.errors import SAME, UserError, advised
from twinstroke.progress import progress_bar
from twinstroke.regions import Region
from twinstroke.results import label_studio
from twinstroke.results.film import write_film
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.limits import DEFAULT_LIMITS

KEPT = ".tracks"
"""Folder, among the results, of what networks said: other rules ask them nothing again."""
Tell = Callable[[str], None]
"""Takes a line for the person who waits."""


def check_names(videos: Sequence[Path], out: Path) -> None:
    """See that results replace neither each other nor what somebody made.

    Args:
        videos: The videos.
        out: Folder of the results, which need not be there yet.

    Raises:
        UserError: They would.
    """
    double = [name for name, times in Counter(path.stem for path in videos).items() if times > 1]
    if double:
        raise UserError(
            f"{double[0]!r} is the name of several videos, and would be that of their results; "
            "call the command once for each, with another --out"
        )
    if out.exists() and not out.is_dir():
        raise UserError(f"--out: {out} is no folder; name another")
    if out.is_dir() and any(out.iterdir()) and not (out / KEPT).is_dir():
        raise UserError(
            f"--out: {out} holds files that detect did not write, and could replace; name a new "
            "folder"
        )
    if label_studio.NAME in (path.stem for path in videos):
        raise UserError(
            f"{label_studio.NAME}: a video of this name would share its files; rename it"
        )


def detect_videos(
    videos: Sequence[Path],
    recogniser: Recogniser,
    settings: DetectSettings,
    *,
    out: Path,
    film: bool,
    tasks: bool,
    tell: Tell,
    players: Sequence[tuple[str, Region]] = (),
) -> None:
    """Find the strokes of videos, one after the other, and write everything about them.

    Args:
        videos: The videos, as :func:`check_names` wants them.
        recogniser: The network.
        settings: How its words become strokes.
        out: Folder of the results.
        film: Also an MP4 of each video with the strokes below the picture.
        tasks: Also settings and tasks for Label Studio, of all videos together.
        tell: Hears what was found and written, as soon as it is.
        players: Names and regions of the players of each video; without any, the whole picture is
            looked at.

    Raises:
        UserError: A video cannot be shown to the network, or its results cannot be written; one
            line each. The other videos have their results.
        OSError: The disk is full.
    """
    problems: list[str] = []
    done: list[tuple[Path, list[Found]]] = []
    for path in videos:
        try:
            seen = opened(path, recogniser, tell)
            each = [seen]
            if players:
                width, window = recogniser.preparation.width, recogniser.window
                each = [looking_at(seen, *player, width, window) for player in players]
                for warning in (text for one in each for text in one.warnings):
                    tell(f"warning: {warning}")
            found = [detect(one, recogniser, settings, store=out / KEPT) for one in each]
            page = write_found(found, recogniser, settings, folder=out, video=path)["html"]
            tell(_in_words(path, found))
            for older in _older(out, seen.video, film=film, tasks=tasks):
                tell(f"{older} is of an earlier call, perhaps by other rules")
            if film:
                tell(f"the film is {_write_film(seen, found, recogniser, out)}")
            tell(f"watch and correct them: open {page} in a browser")
            done.append((path, found))
        except UserError as error:
            # The other videos are worth their results.
            problems += error.problems
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
                raise
            problems.append(advised(error, SAME))
    if tasks and done:
        _write_tasks(done, recogniser, out, tell)
    if problems:
        raise UserError(problems)


def opened(path: Path, recogniser: Recogniser, tell: Tell) -> Opened:
    """Look at a video, and say what is odd about it.

    Raises:
        UserError: It cannot be shown to the network.
    """
    seen = open_video(path, recogniser.preparation, recogniser.window, DEFAULT_LIMITS)
    for warning in seen.warnings:
        tell(f"warning: {warning}")
    return seen


def _in_words(path: Path, found: Sequence[Found]) -> str:
    strokes = [stroke for own in found for stroke in own.detections]
    # Where players are told apart, how many strokes each has comes before which they are.
    players = Counter({own.seen.player: len(own.detections) for own in found if own.seen.region})
    counts = players or Counter(item.label for item in strokes)
    most = ", ".join(f"{times} {label}" for label, times in counts.most_common(3))
    rest = " …" if len(counts) > 3 else ""
    count = len(strokes)
    sizes = f"{count} stroke{'' if count == 1 else 's'}" + (f" ({most}{rest})" if counts else "")
    new = [own for own in found if own.timing.share]
    return f"{path}: {sizes}; {pace(new) if new else THERE}"


def _film(out: Path, video: str) -> Path:
    return out / f"{video}.found.mp4"


def _older(out: Path, video: str, *, film: bool, tasks: bool) -> list[Path]:
    """What is there of an earlier call, and this one was not asked for."""
    older = [] if film else [_film(out, video)]
    if not tasks:
        older += [out / f"{label_studio.NAME}.{form}" for form in ("xml", "json")]
    return [path for path in older if path.exists()]


def _write_film(seen: Opened, found: Sequence[Found], recogniser: Recogniser, out: Path) -> Path:
    target = _film(out, seen.video)
    classes = with_superclasses(recogniser.description.classes)
    with progress_bar(f"film: {seen.path.name}", seen.probe.frames, "frames") as bar:
        strokes = [stroke for own in found for stroke in own.detections]
        write_film(target, seen.path, seen.probe, strokes, classes, passed=bar.update)
    return target


def _write_tasks(
    done: Sequence[tuple[Path, Sequence[Found]]], recogniser: Recogniser, out: Path, tell: Tell
) -> None:
    rate = label_studio.write_project(
        out,
        {
            PurePosixPath(path.name): (
                [stroke for own in found for stroke in own.detections],
                found[0].seen.clock,
            )
            for path, found in done
        },
        with_superclasses(recogniser.description.classes),
        recogniser.name,
    )
    project = out / label_studio.NAME
    tell(
        f"for Label Studio: {project}.xml is the labelling interface, {project}.json holds the "
        f"tasks; on the way back, index.annotation_fps is {rate:g}"
    )
