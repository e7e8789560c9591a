"""ELAN's tab-delimited text, with or without names of columns, in any choice of its columns.

Rows hold a tier, perhaps its participant, begin, end and perhaps duration (as ``hh:mm:ss.ms``,
``ss.msec`` or ``msec``, or several of these), and the value; or there is a column for each tier.
Tiers mean what `elan` says of them, but that text names no annotators. Without a column of files,
the file has the name of its video.

Without names of columns, they are told by the first row: what looks like times repeats for begin,
end and duration, and must fit together in every row.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path

from twinstroke.annotations.folders import is_too_large
from twinstroke.annotations.records import Reading, Seconds, seconds, split_of
from twinstroke.annotations.rows import encoding_of
from twinstroke.findings import Place
from twinstroke.formats import elan
from twinstroke.settings.index import PLAYER, IndexSettings

SUFFIXES = (".txt", ".tsv", ".csv")
FILES = ("file", "file name", "file path")
TIMES = re.compile(r"(begin time|end time|duration) - .+")
"""Names of columns, in lower case."""
KINDS = (
    ("msec", "[0-9]{1,12}"),
    ("ss.msec", r"[0-9]{1,9}[.,][0-9]{1,6}"),
    ("hh:mm:ss.ms", r"[0-9]{1,3}:[0-9]{2}:[0-9]{2}[.,][0-9]{1,6}"),
)
"""How a time may be written, as ELAN's names of columns say it; the first ones are preferred."""
TOLERANCE = Fraction(1, 50)
"""Seconds by which begin, end and duration may miss each other, since each is rounded."""


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is such text."""
    rows = (line.split("\t") for line in start.splitlines()[:20])
    first = next((row for row in rows if not _is_remark(row)), [])
    return _layout(first) is not None


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the rows of all files."""
    recognised: dict[elan.Tiers, list[Place]] = defaultdict(list)
    for file in files:
        if is_too_large(file, reading.findings):
            continue
        kind = _add_strokes(file, file.relative_to(raw), settings, reading)
        if kind not in (settings.elan.tiers_are, "annotators"):
            recognised[kind].append(Place(str(file)))
    elan.tell_recognised(recognised, reading)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the columns hold, by their numbers from 0."""

    begin: int
    end: int
    duration: int | None
    kind: str
    values: dict[int, str]
    """Columns of values, and the tiers that they name; empty: the tier stands in the row."""
    tier: int | None = None
    participant: int | None = None
    file: int | None = None
    has_names: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    place: Place
    mark: elan.Mark
    begin: Fraction
    end: Fraction
    file: str


def _is_remark(row: Sequence[str]) -> bool:
    """Lines about the file that ELAN may put first, and blank ones."""
    return not any(row) or row[0].lstrip('"').startswith("#")


def _layout(row: Sequence[str]) -> _Layout | None:
    names = [cell.strip().lower() for cell in row]
    if any(name.startswith("begin time") for name in names):
        return _named(names, row)
    return _guessed([cell.strip() for cell in row])


def _named(names: list[str], row: Sequence[str]) -> _Layout | None:
    for kind, _ in KINDS:
        begin, end, duration = (
            f"{part} - {kind}" for part in ("begin time", "end time", "duration")
        )
        if begin in names and end in names:
            break
    else:
        return None
    # Whole names: a tier may be called "Tier 2" or "Participant B".
    values = {
        number: row[number].strip()
        for number, name in enumerate(names)
        if name and name not in ("tier", "participant", *FILES) and not TIMES.fullmatch(name)
    }
    files = [number for number, name in enumerate(names) if name in FILES]
    if not values or ("tier" in names and len(values) != 1):
        return None
    if "tier" in names:
        values = dict.fromkeys(values, "")
    return _Layout(
        names.index(begin),
        names.index(end),
        names.index(duration) if duration in names else None,
        kind,
        values,
        names.index("tier") if "tier" in names else None,
        names.index("participant") if "participant" in names else None,
        files[-1] if files else None,
        has_names=True,
    )


def _guessed(cells: list[str]) -> _Layout | None:
    """The likeliest layout of a row: times before the value, at best with a duration that fits."""
    kinds = [next((k for k, p in KINDS if re.fullmatch(p, cell)), "") for cell in cells]
    file = len(cells) - 1 if "".join(cells[-1:]).lower().endswith(".eaf") else None
    value = len(cells) - (1 if file is None else 2)
    found = []
    for first in (0, 1, 2):
        own = kinds[first:value]
        for parts in (3, 2):
            each = len(own) // parts
            if not own or "" in own or own != own[:each] * parts:
                continue
            kind, place = min((list(dict(KINDS)).index(k), n) for n, k in enumerate(own[:each]))
            layout = _Layout(
                first + place,
                first + place + each,
                first + place + 2 * each if parts == 3 else None,
                KINDS[kind][0],
                {value: ""},
                0 if first else None,
                1 if first == 2 else None,
                file,
            )
            times = _times(cells, layout)
            if times is not None and times[0] < times[1]:
                found.append((_fits(times), parts, first, layout))
    return max(found, key=lambda item: item[:3])[3] if found else None


def _times(cells: Sequence[str], layout: _Layout) -> list[Fraction] | None:
    """Begin, end and perhaps duration in seconds; None if they are no times."""
    columns = [layout.begin, layout.end, *([] if layout.duration is None else [layout.duration])]
    times = []
    for column in columns:
        pattern = dict(KINDS)[layout.kind]
        time = seconds(cells[column]) if re.fullmatch(pattern, cells[column]) else None
        if time is None:
            return None
        times.append(time.value / 1000 if layout.kind == "msec" else time.value)
    return times


def _fits(times: Sequence[Fraction]) -> bool:
    """Tell whether there is a duration, and it is that from begin to end."""
    return len(times) == 3 and abs(times[1] - times[0] - times[2]) <= TOLERANCE


def _rows(file: Path, reading: Reading) -> Iterator[_Row]:
    """Rows that hold strokes; an error for each other one."""
    findings, layout, width = reading.findings, None, 0
    number, is_told = 0, False
    try:
        with file.open(encoding=encoding_of(file), newline="") as text:
            reader = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
            for row in reader:
                number = reader.line_num
                place = Place(str(file), str(number))
                if _is_remark(row):
                    continue
                if layout is None:
                    layout, width = _layout(row), len(row)
                    if layout is None:
                        findings.error(
                            "table",
                            place,
                            f"{' '.join(row)[:60]!r} where tier, begin, end and value belong",
                            "export it from ELAN as tab-delimited text, with times of each row",
                        )
                        return
                    if layout.has_names:
                        continue
                cells = [cell.strip() for cell in row] + [""] * (width - len(row))
                times = _times(cells, layout) if len(cells) == width else None
                if times is None:
                    findings.error(
                        "time",
                        place,
                        f"{' '.join(row)[:60]!r}: its columns do not fit, or hold no times",
                        "export it from ELAN anew",
                    )
                    continue
                if len(times) == 3 and not _fits(times) and not is_told:
                    is_told = True
                    findings.warning(
                        "time",
                        place,
                        f"lasts {float(times[1] - times[0]):g} s from begin to end, but its "
                        f"duration is {float(times[2]):g} s; begin and end count here and below",
                        "look at the first rows",
                    )
                for column, tier in layout.values.items():
                    if cells[column] or not tier:
                        attributes = {
                            "TIER_ID": tier or ("" if layout.tier is None else cells[layout.tier]),
                            "PARTICIPANT": ""
                            if layout.participant is None
                            else cells[layout.participant],
                        }
                        mark = elan.Mark(str(number), attributes, None, "", cells[column])
                        name = "" if layout.file is None else cells[layout.file]
                        yield _Row(place, mark, times[0], times[1], name)
    except (UnicodeError, csv.Error) as error:
        is_text = isinstance(error, csv.Error)
        findings.error(
            "table",
            Place(str(file), str(number + 1)),
            f"malformed text ({error})" if is_text else "not UTF-8",
            "export it from ELAN anew" if is_text else "save the file as UTF-8",
        )


def _add_strokes(
    file: Path, relative: Path, settings: IndexSettings, reading: Reading
) -> elan.Tiers:
    """Add the strokes of one file; tell what its tiers were taken for."""
    rows = list(_rows(file, reading))
    wanted = [
        row
        for row in rows
        if not settings.tiers or any(fnmatchcase(row.mark.tier_name, p) for p in settings.tiers)
    ]
    if rows and not wanted:
        tiers = sorted({row.mark.tier_name for row in rows})
        reading.findings.error(
            "tier",
            Place(str(file)),
            f"index.tiers names none of its tiers; they are {', '.join(tiers)[:200]}",
            "rename a tier, or change index.tiers",
        )
    told = settings.elan.tiers_are
    kind = elan.tiers_meant([row.mark for row in wanted], reading) if told == "auto" else told
    for row in wanted:
        name = re.sub(r"(?i)\.eaf$", "", row.file) or relative.with_suffix("").as_posix()
        advice = "give the file the name of its video"
        video = reading.video_named(name, row.place if row.file else Place(str(file)), advice)
        if video is None:
            continue
        mark = row.mark
        player = mark.participant or (mark.tier_name if kind == "players" else "")
        reading.add(
            row.place,
            video=video,
            begin=Seconds(row.begin),
            end=Seconds(row.end),
            label=mark.tier_name if kind == "classes" else mark.label,
            split=split_of(relative.parts[:-1]),
            annotator=mark.tier_name if kind == "annotators" else "",
            group=player if settings.split.group.lower() == PLAYER else "",
        )
    return kind
