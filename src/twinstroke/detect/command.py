"""The commands ``twinstroke detect`` and ``twinstroke view``."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from pydantic import ValidationError

from twinstroke.detect.data_set import THERE, pace
from twinstroke.detect.film import write_film
from twinstroke.detect.label_studio import (
    task,
    video_url,
    write_labelling_settings,
    write_tasks,
)
from twinstroke.detect.marked import read_marked
from twinstroke.detect.outputs import mean_rate
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.video import Found, Seen, detect, look_at
from twinstroke.detect.written import write_found
from twinstroke.errors import UserError
from twinstroke.index.classes import ttstroke21, with_superclasses
from twinstroke.index.probe import probe_video
from twinstroke.index.resolve import exact_rate
from twinstroke.progress import progress_bar, summarise
from twinstroke.settings import DetectSettings
from twinstroke.tables import NEGATIVE
from twinstroke.video_file import DEFAULT_LIMITS
from twinstroke.viewer import write_viewer

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
    fields = DetectSettings.model_fields
    group = parser.add_argument_group("rules", "as in the section detect of presets")
    group.add_argument(
        "--stride",
        type=int,
        help="kept frames from window to window (a sixth of the window)",
    )
    for name, kind in (
        ("smoothing", str),
        ("smoothing_s", float),
        ("rejection", str),
        ("negative_weight", float),
        ("runs", str),
        ("shortest_s", float),
        ("gap_s", float),
    ):
        known = get_args(fields[name].annotation) if kind is str else None
        more = ", with --stroke-model sum" if name == "rejection" else ""
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            choices=known,
            help=f"({fields[name].default}{more})",
        )


def rules_of(arguments: argparse.Namespace, recogniser: Recogniser) -> DetectSettings:
    """The rules that were asked for.

    Raises:
        UserError: One of them makes no sense, for this network.
    """
    values = {
        name: getattr(arguments, name)
        for name in DetectSettings.model_fields
        if getattr(arguments, name, None) is not None
    }
    length = recogniser.window[0]
    defaults: dict[str, Any] = {"stride": max(1, length // 6)}
    if arguments.stroke_model is not None:
        # Where strokes are, is then not asked of many classes.
        defaults["rejection"] = "sum"
    try:
        settings = DetectSettings(**{**defaults, **values})
    except ValidationError as error:
        raise UserError(
            f"--{str(item['loc'][0]).replace('_', '-')}: {item['msg']} (found {item['input']!r})"
            for item in error.errors()
        ) from None
    if settings.stride > length:
        raise UserError(
            f"--stride: {settings.stride} kept frames leave out some between two windows of "
            f"{length}; at most that"
        )
    return settings


def _detect(arguments: argparse.Namespace) -> None:
    videos: list[Path] = arguments.videos
    double = [name for name, times in Counter(path.stem for path in videos).items() if times > 1]
    if double:
        raise UserError(
            f"{double[0]!r} is the name of several videos, and would be that of their results; "
            "call the command once for each, with another --out"
        )
    out: Path = arguments.out
    for path in videos:
        if path.absolute().parent.resolve() == out.absolute().resolve():
            raise UserError(
                f"--out: {out} is the folder of {path}, where results could replace annotations; "
                "name another one"
            )
    recogniser = Recogniser(arguments.model, arguments.stroke_model)
    settings = rules_of(arguments, recogniser)
    problems: list[str] = []
    done: list[Found] = []
    for path in videos:
        try:
            seen = seen_of(path, recogniser)
            done.append(_detect_one(seen, recogniser, settings, arguments))
        except UserError as error:
            # The other videos are worth their results.
            problems += error.problems
    if arguments.label_studio and done:
        _write_label_studio(done, recogniser, out)
    if problems:
        raise UserError(problems)


def seen_of(path: Path, recogniser: Recogniser) -> Seen:
    """Look at a video, and say what is odd about it.

    Raises:
        UserError: It cannot be shown to the network.
    """
    seen = look_at(path, recogniser.preparation, recogniser.window, DEFAULT_LIMITS)
    for warning in seen.warnings:
        summarise("detect", f"warning: {warning}")
    return seen


def _detect_one(
    seen: Seen, recogniser: Recogniser, settings: DetectSettings, arguments: argparse.Namespace
) -> Found:
    out: Path = arguments.out
    found = detect(seen, recogniser, settings, folder=out / KEPT)
    paths = write_found(found, recogniser, settings, folder=out)
    counts = Counter(item.label for item in found.detections)
    most = ", ".join(f"{times} {label}" for label, times in counts.most_common(3))
    rest = " …" if len(counts) > 3 else ""
    count = len(found.detections)
    sizes = f"{count} stroke{'' if count == 1 else 's'}" + (f" ({most}{rest})" if counts else "")
    speed = pace([found]) if found.spent.worked else THERE
    summarise("detect", f"{seen.path}: {sizes}; {speed}")
    if arguments.film:
        classes = with_superclasses(recogniser.description.classes)
        film = out / f"{seen.video}.found.mp4"
        with progress_bar(f"film: {seen.path.name}", seen.probe.frames, "frames") as bar:
            write_film(film, seen.path, seen.probe, found.detections, classes, passed=bar.update)
        summarise("detect", f"the film is {film}")
    summarise("detect", f"watch and correct them: open {paths['html']} in a browser")
    return found


def _write_label_studio(done: Sequence[Found], recogniser: Recogniser, out: Path) -> None:
    # One rate for all videos of a project: the largest loses nothing of the others.
    shown = _short(max(mean_rate(found.seen.probe.clock) for found in done))
    rate = exact_rate(shown)
    classes = with_superclasses(recogniser.description.classes)
    write_labelling_settings(out / "label-studio.xml", classes, rate)
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
    write_tasks(out / "label-studio.json", tasks)
    summarise(
        "detect",
        f"for Label Studio: {out / 'label-studio.xml'} is the labelling interface, "
        f"{out / 'label-studio.json'} holds the tasks; on the way back, index.annotation_fps is "
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
        metavar="NAME",
        help="names to choose from (those of TTStroke-21)",
    )
    parser.set_defaults(run=_view)


def _view(arguments: argparse.Namespace) -> None:
    video: Path = arguments.video
    probe = probe_video(video)
    marked = []
    if arguments.strokes:
        tables = read_marked(arguments.strokes)
        marked = tables.get(video.stem, [])
        if tables and not marked:
            raise UserError(
                f"{arguments.strokes}: none of its strokes is of {video.name}, but of "
                f"{', '.join(sorted(tables))[:200]}; see how it names the video"
            )
    names = arguments.classes or [row.label for row in ttstroke21()]
    names = list(dict.fromkeys([*names, *(stroke.label for stroke in marked)]))
    page = write_viewer(
        video.with_suffix(".html"),
        video=video,
        clock=probe.clock,
        classes=[name for name in names if name != NEGATIVE],
        annotations=marked,
    )
    summarise("view", f"open {page} in a browser ({len(marked)} strokes)")
