"""Annotations changed at random, in every format: read right, or told in one clear line each.

Half of the cases change what does not matter (order and names of columns, separators, encodings,
numbers, quotes, line ends, blank rows and columns): these have to be read, and to say the same.
The others are damaged (cut off, bytes swapped, lost or put in): either that is told, or what is
read is what a plain reader, which shares no code with the package, finds in the damaged file too.

``python -m tests.formats.fuzz [number [seed]]`` prints the counts, and what went wrong by its seed;
a small part of it is a test.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import defusedxml.ElementTree
import numpy as np
import openpyxl

from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading
from twinstroke.annotations.resolve import resolved
from twinstroke.errors import UserError
from twinstroke.findings import Findings
from twinstroke.formats.reading import read_annotations
from twinstroke.settings.index import IndexSettings
from twinstroke.video.clock import Clock

Stroke = tuple[str, int, int, str]
"""Video, first frame, frame after the last one, class."""
VIDEOS = ("rally", "match 2")
LABELS = ("Hit", "Serve Forehand", "Rückhand", "压")
RATE, FRAMES = 100, 1000
CLOCK = Clock(np.arange(FRAMES + 1), Fraction(1, RATE))


@dataclass
class Case:
    """One data set."""

    form: str
    files: dict[str, bytes]
    truth: list[Stroke]
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the settings."""
    what: list[str] = field(default_factory=list)
    """What was changed."""


Writer = Callable[[list[Stroke], random.Random, bool], Case]
Plain = Callable[[str, bytes], list[Stroke]]
"""Finds strokes in a file of a name; raises whatever where there are none."""


def _frame(seconds: float | str | Fraction) -> int:
    return min(max(math.floor(Fraction(str(seconds)) * RATE + Fraction(1, 2)), 0), FRAMES)


def _whole(text: str) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,12}\s*", text):
        raise ValueError(text)
    return int(text)


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}([.,][0-9]{0,12})?", text.strip()):
        raise ValueError(text)
    return _frame(Fraction(text.strip().replace(",", ".").removesuffix(".")))


def _clock(text: str) -> int:
    hours, minutes, rest = text.split(":")
    if not re.fullmatch("[0-9]{1,4}", hours) or not re.fullmatch(
        "[0-5]?[0-9]|0+[0-5]?[0-9]", minutes
    ):
        raise ValueError(text)
    return _frame(3600 * int(hours) + 60 * int(minutes) + Fraction(_seconds(rest), RATE))


def _by_video(strokes: list[Stroke]) -> dict[str, list[Stroke]]:
    return {video: [s for s in strokes if s[0] == video] for video in VIDEOS}


# Encodings and ends of lines


def _as_text(text: str, rng: random.Random, harmless: bool, what: list[str]) -> bytes:
    if not harmless:
        return text.encode()
    end = rng.choice(["\n", "\r\n"])
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16"])
    what += [repr(end), encoding]
    return text.replace("\n", end).encode(encoding)


def _as_xml(text: str, rng: random.Random, harmless: bool, what: list[str]) -> bytes:
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + text
    if not harmless:
        return text.encode()
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
    if rng.random() < 0.5:
        text = text.replace("?>\n", "?>\n\n<!-- <video> of the club -->\n", 1)
        what.append("comment")
    if rng.random() < 0.5:
        text = text.replace("\n", "\r\n")
        what.append("CRLF")
    what.append(encoding)
    text = text.replace('"UTF-8"', f'"{encoding.removesuffix("-sig").upper()}"')
    return text.encode(encoding, errors="xmlcharrefreplace")


def _as_json(content: Any, rng: random.Random, harmless: bool, what: list[str]) -> bytes:
    if not harmless:
        return json.dumps(content, ensure_ascii=False).encode()
    if isinstance(content, dict):
        keys = list(content)
        rng.shuffle(keys)
        content = {key: content[key] for key in keys}
        what.append(f"first {keys[0]}")
    indent, ascii_ = rng.choice([None, 1, 4, "\t"]), rng.random() < 0.5
    what += [f"indent {indent!r}", f"ASCII {ascii_}"]
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_)
    return text.encode(rng.choice(["utf-8", "utf-8-sig"]))


# Writers: `harmless` asks for variations that do not matter


def _table(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    in_seconds = rng.random() < 0.5
    case = Case("csv", {}, strokes, {"times": "seconds"} if in_seconds else {})
    comma = harmless and rng.random() < 0.3
    separator = rng.choice(";\t" if comma else ",;\t") if harmless else ","
    names = ["video", "begin", "end", "label"]
    rows = [
        [video, *(_number(t, in_seconds, comma, rng, harmless) for t in times), label]
        for video, *times, label in strokes
    ]
    if harmless:
        case.what += [f"separator {separator!r}", f"comma {comma}"]
        others = {
            "video": ["file"],
            "begin": ["start"],
            "end": ["stop"],
            "label": ["class", "move"],
        }
        heads = [rng.choice([n, n, *others[n]]) for n in names]
        heads = [rng.choice([n, n.upper(), n.title(), f" {n} "]) for n in heads]
        extra = rng.randrange(3)
        order = rng.sample(range(4 + extra), 4 + extra)
        rows = [[*heads, *["remark", "", ""][:extra]]] + [
            [*row, *[rng.choice(["", "late"]), "", ""][:extra]] for row in rows
        ]
        rows = [[row[n] for n in order] for row in rows]
        case.what.append(f"columns {rows[0]}")
        for row in rows[1:]:
            place = next(n for n, cell in enumerate(row) if cell in VIDEOS)
            row[place] = rng.choice(["{}", "{}.mp4", "C:\\films\\{}.mp4"]).format(row[place])
        for row in rows:
            row += [""] * rng.choice([0, 0, 2])
        for _ in range(rng.randrange(3)):
            rows.insert(rng.randint(1, len(rows)), rng.choice([[], [""] * len(rows[0])]))
    else:
        rows.insert(0, names)
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    if harmless and rng.random() < 0.5:
        writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(rows)
    text = stream.getvalue()
    if harmless and rng.random() < 0.2:
        text = f"sep={separator}\n{text}"
        case.what.append("sep=")
    name = f"strokes.{rng.choice(['csv', 'tsv', 'txt'])}"
    case.files[name] = _as_text(text, rng, harmless, case.what)
    return case


def _number(frame: int, in_seconds: bool, comma: bool, rng: random.Random, harmless: bool) -> str:
    if in_seconds:
        ways = [f"{frame / RATE:.2f}", f"{frame / RATE:.4f}", f"{frame / RATE:g}"]
    else:
        ways = [str(frame), f"{frame}.0", f"{frame}.00"]
    ways.append(f"{frame // (60 * RATE)}:{frame / RATE % 60:05.2f}")
    text = rng.choice(ways) if harmless else ways[0]
    return text.replace(".", ",") if comma else text


def _plain_table(name: str, content: bytes) -> list[Stroke]:
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    head = [cell.strip().lower() for cell in rows[0]]
    found = []
    for row in rows[1:]:
        if any(cell.strip() for cell in row):
            video, begin, end, label = (
                row[head.index(n)].strip() for n in ("video", "begin", "end", "label")
            )
            whole = [t.removesuffix(".0").removesuffix(".00") for t in (begin, end)]
            read = _seconds if "." in begin + end else _whole
            found.append(
                (
                    video,
                    read(whole[0] if read is _whole else begin),
                    read(whole[1] if read is _whole else end),
                    label,
                )
            )
    return found


def _workbook(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("csv", {}, strokes)
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    blank = rng.randrange(3) if harmless else 0
    for _ in range(blank):
        page.append([])
    shift = rng.randrange(2) if harmless else 0
    page.append([None] * shift + ["Video", "Begin", "end", "label", "Player"])
    for video, begin, end, label in strokes:
        ways: list[Callable[[int], Any]] = [int, float, str, lambda n: f"{n}.0"]
        own = [rng.choice(ways)(t) if harmless else t for t in (begin, end)]
        page.append([None] * shift + [video, *own, label])
        if harmless and rng.random() < 0.3:
            page.append([])
    if harmless and rng.random() < 0.3:
        book.create_sheet("Notes").append(["hello"])
    stream = io.BytesIO()
    book.save(stream)
    case.what.append(f"{blank} blank rows, {shift} blank columns")
    case.files["strokes.xlsx"] = stream.getvalue()
    return case


def _plain_workbook(name: str, content: bytes) -> list[Stroke]:
    page = openpyxl.load_workbook(io.BytesIO(content)).active
    assert page is not None
    rows = [[cell for cell in row if cell is not None] for row in page.values]
    return [(str(v), int(str(b)), int(str(e)), str(n)) for v, b, e, n in filter(None, rows[1:])]


def _mediaeval(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("mediaeval", {}, strokes)
    for video, own in _by_video(strokes).items():
        lines = []
        for _, begin, end, label in own:
            values = {"begin": begin, "end": end, "move": label}
            quotes = {key: rng.choice("'\"") if harmless else '"' for key in values}
            attributes = [
                f"{key}={quotes[key]}{value}{quotes[key]}" for key, value in values.items()
            ]
            if harmless:
                rng.shuffle(attributes)
            lines.append(f"  <action {' '.join(attributes)} />\n")
        text = f"<video>\n{''.join(lines)}</video>\n"
        case.files[f"xml/{video}.xml"] = _as_xml(text, rng, harmless, case.what)
    return case


def _plain_mediaeval(name: str, content: bytes) -> list[Stroke]:
    root = defusedxml.ElementTree.fromstring(content)
    assert root.tag == "video"
    return [
        (
            Path(name).stem,
            _whole(a.attrib["begin"]),
            _whole(a.attrib["end"]),
            a.attrib["move"].strip(),
        )
        for a in root
        if a.tag == "action" or 1 / 0
    ]


def _sportscode(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("sportscode", {}, strokes)
    for video, own in _by_video(strokes).items():
        parts = []
        for number, (_, begin, end, label) in enumerate(own):
            inside = [
                f"<ID>{number}</ID>",
                f"<start>{begin / RATE}</start>",
                f"<end>{end / RATE}</end>",
                f"<code>{label}</code>",
            ]
            if harmless:
                inside.append("<label><group>Team</group><text>x</text></label>")
                rng.shuffle(inside)
            parts.append("<instance>\n" + "\n".join(inside) + "\n</instance>\n")
        text = f"<file>\n<ALL_INSTANCES>\n{''.join(parts)}</ALL_INSTANCES>\n</file>\n"
        case.files[f"xml/{video}.xml"] = _as_xml(text, rng, harmless, case.what)
    return case


def _plain_sportscode(name: str, content: bytes) -> list[Stroke]:
    root = defusedxml.ElementTree.fromstring(content)
    assert root.tag == "file"
    found = []
    for own in root.findall("ALL_INSTANCES/instance"):
        texts = {part.tag.lower(): (part.text or "").strip() for part in reversed(own)}
        label = texts.get("code", "")
        found.append((Path(name).stem, _seconds(texts["start"]), _seconds(texts["end"]), label))
    return found


def _elan(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("elan", {}, strokes)
    for video, own in _by_video(strokes).items():
        slots, marks = [], []
        for number, (_, begin, end, label) in enumerate(own):
            for which, time in ((1, begin), (2, end)):
                ms = time * 1000 // RATE
                slots.append(f'<TIME_SLOT TIME_SLOT_ID="t{number}_{which}" TIME_VALUE="{ms}"/>\n')
            marks.append(
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
                f'TIME_SLOT_REF1="t{number}_1" TIME_SLOT_REF2="t{number}_2">\n'
                f"<ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n"
            )
        if harmless:
            rng.shuffle(slots)
            rng.shuffle(marks)
        text = (
            '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">\n'
            f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/{video}.mp4"/></HEADER>\n'
            f"<TIME_ORDER>\n{''.join(slots)}</TIME_ORDER>\n"
            f'<TIER TIER_ID="strokes" ANNOTATOR="Ada">\n{"".join(marks)}</TIER>\n'
            "</ANNOTATION_DOCUMENT>\n"
        )
        case.files[f"elan/{video}.eaf"] = _as_xml(text, rng, harmless, case.what)
    return case


def _plain_elan(name: str, content: bytes) -> list[Stroke]:
    root = defusedxml.ElementTree.fromstring(content)
    assert root.tag == "ANNOTATION_DOCUMENT"
    slots = {s.attrib["TIME_SLOT_ID"]: s.attrib["TIME_VALUE"] for s in root.iter("TIME_SLOT")}
    media = next(root.iter("MEDIA_DESCRIPTOR")).attrib["MEDIA_URL"]
    video = re.split(r"[\\/]", media)[-1]
    found = []
    for mark in root.iter("ALIGNABLE_ANNOTATION"):
        times = (_whole(slots[mark.attrib[f"TIME_SLOT_REF{n}"]]) for n in (1, 2))
        begin, end = (_frame(Fraction(time, 1000)) for time in times)
        label = "".join(v.text or "" for v in mark.iter("ANNOTATION_VALUE")).strip()
        found.append((re.sub(r"\.\w+$", "", video), begin, end, label))
    return found


def _elan_text(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("elan_text", {}, strokes)
    kinds = ["clock", "seconds", "ms"]
    ways = rng.sample(kinds, rng.randint(1, 3)) if harmless else kinds[:2]
    names = {"clock": "hh:mm:ss.ms", "seconds": "ss.msec", "ms": "msec"}
    has_names = harmless and rng.random() < 0.5
    case.what += [f"times {ways}", f"names {has_names}"]
    for video, own in _by_video(strokes).items():
        lines = []
        if has_names:
            times = [
                f"{p} - {names[w]}" for p in ("Begin Time", "End Time", "Duration") for w in ways
            ]
            lines.append("\t".join(["Tier", "Participant", *times, "Annotation"]))
        for _, begin, end, label in own:
            ms = [1000 * t // RATE for t in (begin, end, end - begin)]
            shown = {
                "clock": [f"00:00:{m // 1000:02}.{m % 1000:03}" for m in ms],
                "seconds": [f"{m / 1000:.3f}" for m in ms],
                "ms": [str(m) for m in ms],
            }
            cells = [shown[way][n] for n in range(3) for way in ways]
            lines.append("\t".join(["strokes", "", *cells, label]))
        if lines:
            text = "\n".join([*lines, ""])
            case.files[f"text/{video}.txt"] = _as_text(text, rng, harmless, case.what)
    return case


def _plain_elan_text(name: str, content: bytes) -> list[Stroke]:
    found = []
    for line in content.decode("utf-8-sig").splitlines():
        if line.strip():
            cells = [cell.strip() for cell in line.split("\t")]
            begin, end = _seconds(cells[3]), _seconds(cells[5])
            found.append((Path(name).stem, begin, end, cells[8]))
    return found


def _srt(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("srt", {}, strokes)
    for video, own in _by_video(strokes).items():
        blocks = []
        for number, (_, begin, end, label) in enumerate(own, start=1):
            times = [f"00:00:{t // RATE:02},{t % RATE:02}0" for t in (begin, end)]
            blocks.append(f"{number}\n{times[0]} --> {times[1]}\n{label}\n")
        gap = "\n" * (rng.randint(1, 3) if harmless else 1)
        text = gap.join(blocks)
        if text:
            case.files[f"srt/{video}.srt"] = _as_text(text, rng, harmless, case.what)
    return case


def _plain_srt(name: str, content: bytes) -> list[Stroke]:
    found = []
    blocks = re.split(
        r"\n\s*\n", content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").strip()
    )
    for block in filter(None, blocks):
        lines = block.strip().split("\n")
        lines = lines if "-->" in lines[0] or len(lines) == 1 else lines[1:]
        times = re.fullmatch(r"([0-9:,.]+)\s*-->\s*([0-9:,.]+)(?:\s.*)?", lines[0].strip())
        assert times
        begin, end = (_srt_time(t) for t in times.groups())
        found.append((Path(name).stem, begin, end, " ".join(" ".join(lines[1:]).split())))
    return found


def _srt_time(text: str) -> int:
    parts = text.split(":")
    return _clock(":".join(["0"] * (3 - len(parts)) + parts))


def _via(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("via", {}, strokes)
    views = {video: str(n) for n, video in enumerate(VIDEOS, start=1)}
    options = {str(n): label for n, label in enumerate(LABELS)}
    keys = {label: key for key, label in options.items()}
    attribute = {"1": {"aname": "stroke", "anchor_id": "x", "type": 4, "options": options}}
    marks = [
        (f"{views[v]}_{n}", v, [b / RATE, e / RATE], {"1": keys[label]})
        for n, (v, b, e, label) in enumerate(strokes)
    ]
    if harmless:
        rng.shuffle(marks)
    if rng.random() < 0.5:
        stream = io.StringIO()
        stream.write("# Exported using VGG Image Annotator\n")
        stream.write(f"# ATTRIBUTE = {json.dumps(attribute, ensure_ascii=False)}\n")
        stream.write(
            "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,"
            "spatial_coordinates,metadata\n"
        )
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for name, video, times, values in marks:
            files = json.dumps([f"{video}.mp4"])
            writer.writerow([name, files, 0, json.dumps(times), "[]", json.dumps(values)])
        case.files["export.csv"] = _as_text(stream.getvalue(), rng, harmless, case.what)
        return case
    content = {
        "project": {"pid": "x", "vid_list": list(views.values())},
        "config": {},
        "attribute": attribute,
        "file": {n: {"fid": n, "fname": f"{v}.mp4", "type": 4} for v, n in views.items()},
        "metadata": {
            name: {"vid": views[v], "flg": 0, "z": times, "xy": [], "av": values}
            for name, v, times, values in marks
        },
        "view": {n: {"fid_list": [n]} for n in views.values()},
    }
    case.files["project.json"] = _as_json(content, rng, harmless, case.what)
    return case


def _plain_via(name: str, content: bytes) -> list[Stroke]:
    text = content.decode("utf-8-sig")
    found = []
    if name.endswith(".csv"):
        lines = text.splitlines(keepends=True)
        remarks = "".join(line for line in lines if line.startswith("#"))
        attribute = re.search(r"(?m)^# ATTRIBUTE = (.*)$", remarks)
        assert attribute
        (own,) = json.loads(attribute[1]).values()
        (number,) = json.loads(attribute[1])
        for row in csv.reader((line for line in lines if not line.startswith("#")), strict=True):
            (file,) = json.loads(row[1])
            times, value = json.loads(row[3]), json.loads(row[5])[number]
            found.append((file, *map(_frame, times), own["options"].get(value, value)))
    else:
        project = json.loads(text)
        (number, own), *_ = project["attribute"].items()
        for mark in project["metadata"].values():
            if len(mark["z"]) == 2 and not mark["xy"]:
                (file,) = (
                    project["file"][f]["fname"] for f in project["view"][mark["vid"]]["fid_list"]
                )
                value = mark["av"].get(number, "")
                found.append((file, *map(_frame, mark["z"]), own["options"].get(value, value)))
    return [(re.sub(r"\.\w+$", "", file), *rest) for file, *rest in found]


def _label_studio(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    in_seconds = rng.random() < 0.5
    case = Case("label_studio", {}, strokes, {} if in_seconds else {"annotation_fps": RATE})
    tasks = []
    for number, (video, own) in enumerate(_by_video(strokes).items(), start=1):
        results = []
        for place, (_, begin, end, label) in enumerate(own):
            ranges = [{"start": begin + 1, "end": end}]
            value: dict[str, Any] = {"ranges": ranges, "timelinelabels": [label]}
            if in_seconds:
                value = {"start": begin / RATE, "end": end / RATE, "labels": [label]}
            kind = "labels" if in_seconds else "timelinelabels"
            results.append({"id": f"r{place}", "type": kind, "to_name": "video", "value": value})
        if harmless:
            rng.shuffle(results)
        annotation = {"id": number, "was_cancelled": False, "result": results}
        tasks.append(
            {"id": number, "data": {"video": f"/x/{video}.mp4"}, "annotations": [annotation]}
        )
    case.files["export.json"] = _as_json(tasks, rng, harmless, case.what)
    return case


def _plain_label_studio(name: str, content: bytes) -> list[Stroke]:
    found = []
    for task in json.loads(content.decode("utf-8-sig")):
        video = re.sub(r"\.\w+$", "", re.split(r"[\\/]", task["data"]["video"])[-1])
        for annotation in task["annotations"]:
            for result in [] if annotation.get("was_cancelled") else annotation["result"]:
                value = result["value"]
                if result["type"] == "labels":
                    times = _frame(value["start"]), _frame(value["end"])
                else:
                    (own,) = value["ranges"]
                    times = int(own["start"]) - 1, int(own["end"])
                labels = value.get("labels", value.get("timelinelabels", []))
                found.append((video, *times, labels[0] if labels else ""))
    return found


def _cvat(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("cvat", {}, strokes)
    for number, (video, own) in enumerate(_by_video(strokes).items()):
        tracks = []
        for _, begin, end, label in own:
            frames = sorted({begin, *rng.sample(range(begin, end), min(2, end - begin))})
            boxes = [(frame, 0) for frame in (frames if harmless else [begin])] + [(end, 1)]
            inside = "".join(
                f'<box frame="{frame}" outside="{outside}" xtl="1" ytl="1" xbr="9" ybr="9"/>\n'
                for frame, outside in boxes
            )
            tracks.append(f'<track id="1" label="{label}">\n{inside}</track>\n')
        if harmless:
            rng.shuffle(tracks)
        text = (
            f"<annotations>\n<meta><task><name>{number}</name><source>{video}.mp4</source></task>"
            f"</meta>\n{''.join(tracks)}</annotations>\n"
        )
        if own:
            case.files[f"cvat/{number}.xml"] = _as_xml(text, rng, harmless, case.what)
    return case


def _plain_cvat(name: str, content: bytes) -> list[Stroke]:
    root = defusedxml.ElementTree.fromstring(content)
    assert root.tag == "annotations"
    source = root.find("meta/task/source")
    assert source is not None and source.text
    found = []
    for track in root.findall("track"):
        shown = [
            (_whole(box.attrib["frame"]), box.attrib["outside"]) for box in track.findall("box")
        ]
        begin = min(frame for frame, outside in shown if outside == "0")
        ends = [frame for frame, outside in shown if outside == "1"]
        last = max(frame for frame, _ in shown) + 1
        found.append(
            (
                re.sub(r"\.\w+$", "", source.text),
                begin,
                ends[0] if ends else last,
                track.attrib["label"].strip(),
            )
        )
    return found


def _boris(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("boris", {}, strokes)
    if rng.random() < 0.5:
        observations = {}
        for video, own in _by_video(strokes).items():
            events = [[t / RATE, "", s[3], "", ""] for s in own for t in s[1:3]]
            if harmless:
                rng.shuffle(events)
            observations[video] = {"file": {"1": [f"x/{video}.mp4"]}, "events": events}
        content = {
            "time_format": "s",
            "behaviors_conf": {
                str(n): {"code": c, "type": "State event"} for n, c in enumerate(LABELS)
            },
            "observations": observations,
        }
        case.files["p.boris"] = _as_json(content, rng, harmless, case.what)
        return case
    names = [
        "Observation id",
        "Source",
        "Behavior",
        "Behavior type",
        "Start (s)",
        "Stop (s)",
        "Media file name",
    ]
    rows = [
        [
            "o",
            f"player #1:x/{v}.mp4",
            n,
            "STATE",
            f"{b / RATE:.3f}",
            f"{e / RATE:.3f}",
            f"x/{v}.mp4",
        ]
        for v, b, e, n in strokes
    ]
    order = rng.sample(range(7), 7) if harmless else range(7)
    separator = rng.choice(",\t") if harmless else "\t"
    lines = [separator.join(row[n] for n in order) for row in [names, *rows]]
    case.what += [f"separator {separator!r}"]
    case.files["events.tsv"] = _as_text("\n".join([*lines, ""]), rng, harmless, case.what)
    return case


def _plain_boris(name: str, content: bytes) -> list[Stroke]:
    text = content.decode("utf-8-sig")
    found = []
    if name.endswith(".boris"):
        project = json.loads(text)
        states = {
            b["code"] for b in project["behaviors_conf"].values() if b["type"].startswith("State")
        }
        for own in project["observations"].values():
            (file,) = own["file"]["1"]
            video = re.sub(r"\.\w+$", "", re.split(r"[\\/]", file)[-1])
            for kind in sorted({tuple(e[1:4]) for e in own["events"]}):
                times = sorted(
                    e[0] for e in own["events"] if tuple(e[1:4]) == kind and kind[1] in states
                )
                for begin, end in zip(times[::2], times[1::2], strict=True):
                    found.append((video, _frame(begin), _frame(end), kind[1]))
        return found
    lines = [line.split("\t") for line in text.splitlines() if line.strip()]
    head = [cell.strip().lower() for cell in lines[0]]
    for line in lines[1:]:
        row = dict(zip(head, (cell.strip() for cell in line), strict=False))
        if row["behavior type"].upper().startswith("POINT"):
            continue
        file = row.get("media file name") or row["source"].removeprefix("player #1:")
        video = re.sub(r"\.\w+$", "", re.split(r"[\\/]", file)[-1])
        found.append(
            (video, _seconds(row["start (s)"]), _seconds(row["stop (s)"]), row["behavior"])
        )
    return found


def _activitynet(strokes: list[Stroke], rng: random.Random, harmless: bool) -> Case:
    case = Case("activitynet", {}, strokes)
    database = {
        video: {
            "duration": 10.0,
            "subset": "training",
            "annotations": [{"segment": [b / RATE, e / RATE], "label": n} for _, b, e, n in own],
        }
        for video, own in _by_video(strokes).items()
    }
    content = {"version": "1", "taxonomy": [], "database": database}
    case.files["activity.json"] = _as_json(content, rng, harmless, case.what)
    return case


def _plain_activitynet(name: str, content: bytes) -> list[Stroke]:
    return [
        (re.sub(r"\.\w+$", "", video), *map(_frame, own["segment"]), own["label"].strip())
        for video, entry in json.loads(content.decode("utf-8-sig"))["database"].items()
        for own in entry.get("annotations", [])
    ]


FORMS: Mapping[str, tuple[Writer, Plain]] = {
    "table": (_table, _plain_table),
    "workbook": (_workbook, _plain_workbook),
    "mediaeval": (_mediaeval, _plain_mediaeval),
    "sportscode": (_sportscode, _plain_sportscode),
    "elan": (_elan, _plain_elan),
    "elan_text": (_elan_text, _plain_elan_text),
    "srt": (_srt, _plain_srt),
    "via": (_via, _plain_via),
    "label_studio": (_label_studio, _plain_label_studio),
    "cvat": (_cvat, _plain_cvat),
    "boris": (_boris, _plain_boris),
    "activitynet": (_activitynet, _plain_activitynet),
}


def _damaged(case: Case, rng: random.Random) -> None:
    """Damage one of the files of a case."""
    name = rng.choice(sorted(case.files))
    content = bytearray(case.files[name])
    kind = rng.choice(["cut", "swap", "lose", "put in", "replace", "latin-1", "repeat"])
    at = rng.randrange(len(content))
    length = rng.randint(1, 12)
    if kind == "cut":
        del content[at:]
    elif kind == "swap":
        other = min(at + rng.randint(1, 6), len(content) - 1)
        content[at], content[other] = content[other], content[at]
    elif kind == "lose":
        del content[at : at + length]
    elif kind == "put in":
        content[at:at] = bytes(
            rng.choices(b"0123456789,;\t\"'<>{}[]:. aZ\n\r\0\xe4", k=rng.randint(1, 3))
        )
    elif kind == "replace":
        content[at] = rng.randrange(256)
    elif kind == "repeat":
        content[at:at] = content[at : at + length]
    elif not name.endswith(".xlsx"):
        content = bytearray(content.decode(errors="replace").encode("latin-1", "replace"))
    case.what.append(f"{name}: {kind} at {at}")
    case.files[name] = bytes(content)


def drawn(seed: int) -> tuple[str, Case, bool]:
    """A case by its number: the form, the case, and whether its changes are harmless."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    form = rng.choice(sorted(FORMS))
    strokes: list[Stroke] = []
    for video in VIDEOS:
        time = rng.randrange(100)
        for _ in range(rng.randint(1, 3)):
            end = time + rng.randint(5, 120)
            strokes.append((video, time, end, rng.choice(LABELS)))
            time = end + rng.randint(1, 100)
    harmless = rng.random() < 0.5
    case = FORMS[form][0](strokes, rng, harmless)
    if not harmless:
        for _ in range(rng.randint(1, 2)):
            _damaged(case, rng)
    if rng.random() < 0.5:
        case.changes["format"] = case.form
    return form, case, harmless


def _read(case: Case, raw: Path) -> tuple[list[Stroke], list[str]]:
    """Strokes, and what was told."""
    (raw / "videos").mkdir(parents=True)
    for video in VIDEOS:
        (raw / "videos" / f"{video}.mp4").touch()
    for name, content in case.files.items():
        (raw / "marks" / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / "marks" / name).write_bytes(content)
    settings = IndexSettings.model_validate(
        {"videos": "videos", "annotations": "marks", "classes": list(LABELS), "fps": RATE}
        | {"split": {"rule": "stroke"}, **case.changes}
    )
    findings = Findings()
    reading = Reading(ClassList(settings), findings)
    try:
        read_annotations(raw, settings, reading)
    except UserError as error:
        return [], list(error.problems)
    clocks = dict.fromkeys(VIDEOS, CLOCK)
    strokes = resolved(reading.annotations, clocks, settings, findings)
    # What is passed over is told in a warning.
    told = [str(finding) for finding in findings.all if finding.check not in ("table", "tier")]
    told += [str(finding) for finding in findings.errors if finding.check in ("table", "tier")]
    return sorted((s.video, s.begin, s.end, s.label or "") for s in strokes), told


def outcome(seed: int) -> tuple[str, str, str]:
    """Try one case: its form, ``read``, ``told`` or what is wrong, and how to see it again."""
    form, case, harmless = drawn(seed)
    shown = f"seed {seed}, {case.form} {case.changes}: {'; '.join(case.what)}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            strokes, told = _read(case, Path(folder, "raw"))
        except Exception:  # Whatever is raised is what is looked for.
            return form, "TRACEBACK", shown + "\n" + traceback.format_exc()
    if any("\n" in line or len(line) > 1000 for line in told):
        return form, "NO CLEAR LINE", f"{shown}\n{told}"
    if harmless:
        if told or strokes != sorted(case.truth):
            return (
                form,
                "HARMLESS BUT NOT READ",
                f"{shown}\n{told}\n{strokes}\n{sorted(case.truth)}",
            )
        return form, "read", shown
    if told:
        return form, "told", shown
    if strokes == sorted(case.truth):
        return form, "read", shown
    try:
        plain = sorted(
            s for name, content in case.files.items() for s in FORMS[form][1](name, content)
        )
    except Exception as error:  # Nothing plain to read there.
        return form, "SILENTLY WRONG", f"{shown}\n{strokes}\nplain: {error!r}"
    if strokes != plain:
        return form, "SILENTLY WRONG", f"{shown}\n{strokes}\nplain: {plain}"
    return form, "read as it stands", shown


def main() -> int:
    """Try as many cases as was asked for; 1 if one is neither read right nor told."""
    parser = argparse.ArgumentParser("python -m tests.formats.fuzz", description=__doc__)
    parser.add_argument("number", nargs="?", type=int, default=300)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    options = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    for seed in range(options.seed, options.seed + options.number):
        form, result, shown = outcome(seed)
        counts[form, result] += 1
        if result.isupper():
            print(f"{result}: {shown}\n")
    print(f"{options.number} cases from seed {options.seed}")
    for (form, result), count in sorted(counts.items()):
        print(f"{form:12} {result:22} {count}")
    return int(any(result.isupper() for _, result in counts))


if __name__ == "__main__":
    sys.exit(main())
