"""The commands ``twinstroke detect`` and ``twinstroke view``."""

from __future__ import annotations

import argparse
import errno
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from pydantic import ValidationError

from twinstroke.annotations.classes import tidy, ttstroke21, with_superclasses
from twinstroke.annotations.resolve import exact_rate
from twinstroke.detect.data_set import THERE, pace
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.rules import problems_of, read_rules
from twinstroke.detect.video import Found, Seen, detect, open_video
from twinstroke.detect.written import write_found
from twinstroke.errors import UserError, advised
from twinstroke.formats.csv import read_strokes
from twinstroke.progress import progress_bar, summarise
from twinstroke.results.film import write_film
from twinstroke.results.label_studio import task, video_url, write_labelling_settings, write_tasks
from twinstroke.results.tables import mean_rate
from twinstroke.results.viewer.page import MARK, write_viewer
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.limits import DEFAULT_LIMITS
from twinstroke.tables import NEGATIVE
from twinstroke.video.probe import probe_video

LABEL_STUDIO = "label-studio"
"""Name of the two files for it."""
KEPT = ".tracks"
"""Folder, among the results, of what networks said: other rules ask them nothing again."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to a parser; each sets ``run``, which carries it out."""
    _add_detect(commands)
    _add_view(commands)


def _add_detect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "detect",
        help="find the strokes of videos",
        description="Find the strokes of videos; write tables, files for other programs, and a "
        "page to watch and correct them.",
    )
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    add_network(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("detections"), help="folder of the results (detections)"
    )
    parser.add_argument(
        "--film", action="store_true", help="also an MP4 with the strokes written below the picture"
    )
    parser.add_argument(
        "--label-studio", action="store_true", help="also settings and tasks for Label Studio"
    )
    add_rules(parser)
    parser.set_defaults(run=_detect)


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the options that name networks."""
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        help="the trained network: model.safetensors, or model.onnx",
    )
    parser.add_argument(
        "--stroke-model",
        type=Path,
        help="another of two classes (targets=strokes), to say where strokes are",
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add an option for each rule of :class:`DetectSettings`."""
    group = parser.add_argument_group(
        "rules", "take those that were chosen on validation videos: --rules presets/<name>.yaml"
    )
    group.add_argument(
        "--rules", type=Path, metavar="PRESET", help="file with a section detect; options go first"
    )
    group.add_argument(
        "--stride", type=int, help="kept frames from window to window (a sixth of the window)"
    )
    for name, (kind, meaning) in _RULES.items():
        field = DetectSettings.model_fields[name]
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            choices=get_args(field.annotation) if kind is str else None,
            help=f"{meaning} ({field.default})",
        )


_RULES: dict[str, tuple[type, str]] = {
    "smoothing": (str, "of probabilities in time"),
    "smoothing_s": (float, "over so many seconds"),
    "rejection": (str, "no stroke if Negative beats each class, or their sum"),
    "negative_weight": (float, "factor on the probability of Negative: more finds less"),
    "runs": (str, "what makes one stroke: any stroke class, or the same"),
    "shortest_s": (float, "seconds; shorter strokes are dropped"),
    "gap_s": (float, "seconds; shorter gaps in a stroke are bridged"),
}


def rules_of(arguments: argparse.Namespace, recogniser: Recogniser) -> DetectSettings:
    """The rules that were asked for.

    Raises:
        UserError: One of them makes no sense, for this network; or the file holds none.
    """
    length = recogniser.window[0]
    values: dict[str, Any] = {"stride": max(1, length // 6)}
    if arguments.rules is not None:
        values = read_rules(arguments.rules).model_dump()
    given = {
        name: getattr(arguments, name)
        for name in ("stride", *_RULES)
        if getattr(arguments, name) is not None
    }
    if arguments.stroke_model is not None:
        if given.get("rejection") == "all":
            raise UserError(
                "--rejection: all has no meaning with --stroke-model, which tells strokes from "
                "none whatever their class; leave it out"
            )
        given["rejection"] = "sum"
    try:
        settings = DetectSettings(**{**values, **given})
    except ValidationError as error:
        problems = problems_of(error, "--")
        raise UserError(problem.replace("_", "-", 1) for problem in problems) from None
    if settings.stride > length:
        raise UserError(
            f"--stride: {settings.stride} kept frames leave out some between two windows of "
            f"{length}; at most that"
        )
    return settings


def rules_in_words(arguments: argparse.Namespace) -> str:
    """By which rules, for the person who called."""
    given = [name for name in ("stride", *_RULES) if getattr(arguments, name) is not None]
    own = f", but for {', '.join(given)}" if given else ""
    if arguments.rules is None:
        return f"default rules{own}; those of a preset come with --rules presets/<name>.yaml"
    return f"rules of {arguments.rules}{own}"


def _detect(arguments: argparse.Namespace) -> None:
    videos: list[Path] = arguments.videos
    double = [name for name, times in Counter(path.stem for path in videos).items() if times > 1]
    if double:
        raise UserError(
            f"{double[0]!r} is the name of several videos, and would be that of their results; "
            "call the command once for each, with another --out"
        )
    out: Path = arguments.out
    check_folder(out)
    if LABEL_STUDIO in (path.stem for path in videos):
        raise UserError(f"{LABEL_STUDIO}: a video of this name would share its files; rename it")
    recogniser = Recogniser(arguments.model, arguments.stroke_model)
    settings = rules_of(arguments, recogniser)
    summarise("detect", f"{recogniser.name}; {rules_in_words(arguments)}")
    problems: list[str] = []
    done: list[Found] = []
    for path in videos:
        try:
            seen = seen_of(path, recogniser)
            done.append(_detect_one(seen, recogniser, settings, arguments))
        except UserError as error:
            # The other videos are worth their results.
            problems += error.problems
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            problems.append(advised(error, "the same command"))
    if arguments.label_studio and done:
        _write_label_studio(done, recogniser, out)
    if problems:
        raise UserError(problems)


def seen_of(path: Path, recogniser: Recogniser) -> Seen:
    """Look at a video, and say what is odd about it.

    Raises:
        UserError: It cannot be shown to the network.
    """
    seen = open_video(path, recogniser.preparation, recogniser.window, DEFAULT_LIMITS)
    for warning in seen.warnings:
        summarise("detect", f"warning: {warning}")
    return seen


def check_folder(out: Path) -> None:
    """See that a folder is there for results alone, so that none replaces what somebody made.

    Raises:
        UserError: It holds other files, or is none.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out: {out} is no folder; name another")
    if out.is_dir() and any(out.iterdir()) and not (out / KEPT).is_dir():
        raise UserError(
            f"--out: {out} holds files that detect did not write, and could replace; name a new "
            "folder"
        )


def _detect_one(
    seen: Seen, recogniser: Recogniser, settings: DetectSettings, arguments: argparse.Namespace
) -> Found:
    out: Path = arguments.out
    found = detect(seen, recogniser, settings, folder=out / KEPT)
    paths = write_found(found, recogniser, settings, folder=out, video=seen.path)
    counts = Counter(item.label for item in found.detections)
    most = ", ".join(f"{times} {label}" for label, times in counts.most_common(3))
    rest = " …" if len(counts) > 3 else ""
    count = len(found.detections)
    sizes = f"{count} stroke{'' if count == 1 else 's'}" + (f" ({most}{rest})" if counts else "")
    speed = pace([found]) if found.timing.share else THERE
    summarise("detect", f"{seen.path}: {sizes}; {speed}")
    _tell_what_is_older(out, seen.video, arguments)
    if arguments.film:
        classes = with_superclasses(recogniser.description.classes)
        film = out / f"{seen.video}.found.mp4"
        with progress_bar(f"film: {seen.path.name}", seen.probe.frames, "frames") as bar:
            write_film(film, seen.path, seen.probe, found.detections, classes, passed=bar.update)
        summarise("detect", f"the film is {film}")
    summarise("detect", f"watch and correct them: open {paths['html']} in a browser")
    return found


def _tell_what_is_older(out: Path, video: str, arguments: argparse.Namespace) -> None:
    """Of an earlier call stays what this one was not asked for."""
    older = [] if arguments.film else [out / f"{video}.found.mp4"]
    if not arguments.label_studio:
        older += [out / f"{LABEL_STUDIO}.xml", out / f"{LABEL_STUDIO}.json"]
    for path in older:
        if path.exists():
            summarise("detect", f"{path} is of an earlier call, perhaps by other rules")


def _write_label_studio(done: Sequence[Found], recogniser: Recogniser, out: Path) -> None:
    # One rate for all videos of a project: the largest loses nothing of the others.
    shown = _short(max(mean_rate(found.seen.probe.clock) for found in done))
    rate = exact_rate(shown)
    classes = with_superclasses(recogniser.description.classes)
    write_labelling_settings(out / f"{LABEL_STUDIO}.xml", classes, rate)
    tasks = [
        task(
            video_url(PurePosixPath(found.seen.path.name)),
            found.detections,
            found.seen.probe.clock,
            rate,
            recogniser.name,
        )
        for found in done
    ]
    write_tasks(out / f"{LABEL_STUDIO}.json", tasks)
    summarise(
        "detect",
        f"for Label Studio: {out / LABEL_STUDIO}.xml is the labelling interface, "
        f"{out / LABEL_STUDIO}.json holds the tasks; on the way back, index.annotation_fps is "
        f"{shown:g}",
    )


def _short(rate: Fraction) -> float:
    """A rate to be written in a preset: exactly this one if possible, else hardly more."""
    if exact_rate(usual := round(float(rate), 2)) == rate:
        return usual
    return math.ceil(rate * 1000) / 1000


def _add_view(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "view",
        help="make a page to mark strokes in a video, or to watch marked ones",
        description="Make a page beside a video, to mark its strokes or to watch and correct them.",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO")
    parser.add_argument(
        "--strokes", type=Path, help="table with the columns video,begin,end,label, in frames"
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names to choose from, after the video (those of TTStroke-21)",
    )
    parser.set_defaults(run=_view)


def _view(arguments: argparse.Namespace) -> None:
    video: Path = arguments.video
    probe = probe_video(video)
    marked = []
    if arguments.strokes:
        tables = read_strokes(arguments.strokes)
        marked = tables.get(video.stem, [])
        if tables and not marked:
            raise UserError(
                f"{arguments.strokes}: none of its strokes is of {video.name}, but of "
                f"{', '.join(sorted(tables))[:200]}; see how it names the video"
            )
    mined = sum(stroke.label == NEGATIVE for stroke in marked)
    if mined:
        marked = [stroke for stroke in marked if stroke.label != NEGATIVE]
        summarise("view", f"{mined} rows of the class {NEGATIVE} are no strokes, and left out")
    given = [tidy(name) for text in arguments.classes for name in text.split(",")]
    names = [name for name in given if name] or [row.label for row in ttstroke21()]
    names = list(dict.fromkeys([*names, *(stroke.label or "" for stroke in marked)]))
    target = video.with_suffix(".html")
    if target.exists() and MARK not in target.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{target}: is another page, and would be replaced; move it away first")
    page = write_viewer(
        target,
        video=video,
        clock=probe.clock,
        classes=[name for name in names if name != NEGATIVE],
        annotations=marked,
    )
    summarise("view", f"open {page} in a browser ({len(marked)} strokes)")
