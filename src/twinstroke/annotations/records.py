"""What every annotation format is read into."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from twinstroke.annotations.boxes import Boxes, Drawn, Measure
from twinstroke.annotations.classes import ClassList, tidy
from twinstroke.annotations.containers import REWRAPPED, unread
from twinstroke.findings import LIMIT, Findings, Place
from twinstroke.regions import Lane, Region
from twinstroke.tables import Split

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""Names of folders, and values of a column, that mean a split; case does not matter."""

LONGEST_S = 10**7
"""Four months of video: a number beyond it is a mistake, and kept out of all arithmetic."""
LARGEST_FRAME = 10**12
SUGGESTED = 20
"""Missing videos for which a name that may be meant is looked up."""


class Seconds(NamedTuple):
    """A moment on the player's clock."""

    value: Fraction


Time = int | Seconds
"""A frame number from 0 in decoding order, or a moment that timestamps turn into one."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One stroke of one video, as one person marked it."""

    video: str
    """Id of the video."""
    begin: Time
    """First frame, or when it begins."""
    end: Time | None
    """Frame after the last one, or when that begins; None: the whole video."""
    label: str | None
    """A class; None: a stroke of unknown class."""
    split: Split | None
    """What the file or its folder says; None: nothing."""
    place: Place
    """Where it stands."""
    annotator: str = ""
    """Who marked it; empty if nobody is named."""
    group: str = ""
    """What must not be in two splits at once, such as the player; empty if nothing is named."""
    region: Region | None = None
    """Where the player is in this video, if it is said here."""


class Reading:
    """Everything that the formats find below the raw folder; filled while reading."""

    def __init__(self, classes: ClassList, findings: Findings) -> None:
        self.classes = classes
        self.findings = findings
        self.videos: dict[str, Path] = {}
        """Files by id, ascending."""
        self.annotations: list[Annotation] = []
        self.annotated: set[str] = set()
        """Videos that some annotation file is about, even if it holds no stroke."""
        self.recorded: dict[str, tuple[float, Place]] = {}
        """Frames a second at which videos were recorded that are stored at fewer, and who says it;
        by id."""
        self.boxes: dict[Lane, dict[Measure, Boxes]] = defaultdict(lambda: defaultdict(Boxes))
        """What was drawn around each player, if it is meant to say where he is."""
        self._names: dict[str, set[str]] = defaultdict(set)
        self._unread: dict[str, Path] = {}
        self._missing: set[tuple[str, str]] = set()
        self._last: tuple[str, str | None] = ("", None)

    def add_video(self, video: str, path: Path, relative: PurePosixPath) -> None:
        """Note a video and every way in which an annotation may name it.

        Args:
            video: Its id.
            path: The file.
            relative: The same below the folder of the videos.
        """
        self.videos[video] = path
        for name in _ways_to_name(relative):
            self._names[name].add(video)

    def add_unread(self, path: Path, relative: PurePosixPath) -> None:
        """Note a video that is there but cannot be read."""
        for name in _ways_to_name(relative):
            self._unread[name] = path

    def video_named(
        self, name: str, place: Place, advice: str = "add the video, or remove its annotations"
    ) -> str | None:
        r"""Id of the video that an annotation names; if there is none, note it once and give None.

        Args:
            name: File name, with or without suffix and folders; ``\`` separates folders too. It may
                be that of a video of which only a copy in another container can be read.
            place: Where the name stands.
            advice: What to do if there is no such video, nor one of a similar name.
        """
        if name == self._last[0] and self._last[1] is not None:
            return self._last[1]
        found = self._meant(name)
        if len(found) == 1:
            (video,) = found
            self.annotated.add(video)
            self._last = name, video
            return video
        if (place.file, name) not in self._missing:
            if len(self._missing) < LIMIT:
                self._missing.add((place.file, name))
            if found:
                files = ", ".join(str(self.videos[video]) for video in sorted(found))
                self.findings.error(
                    "video", place, f"{name!r} may be any of {files}", "write the folder too"
                )
            elif there := [self._unread[way] for way in _ways(name) if way in self._unread]:
                what, advice = unread(there[0])
                self.findings.error("video", place, f"{there[0]} {what}", advice)
            else:
                parts = _parts(name)
                meant = self._like(parts[-1]) if parts else ""
                self.findings.error(
                    "video",
                    place,
                    f"no video {name!r} below the folder of the videos",
                    f"did you mean {meant!r}?" if meant else advice,
                )
        return None

    def knows(self, name: str) -> bool:
        """Tell whether a name, as for :meth:`video_named`, is that of one video."""
        return len(self._meant(name)) == 1

    def add_recorded(self, video: str, text: str, place: Place) -> None:
        """Note a cell of the column ``recorded_fps``; an empty one says nothing.

        Args:
            video: Id of the video.
            text: The cell.
            place: Where it stands.
        """
        if not text:
            return
        rate = float(text.replace(",", ".")) if re.fullmatch(r"\d{1,6}([.,]\d+)?", text) else 0
        earlier, where = self.recorded.setdefault(video, (rate, place))
        if rate < 0.1:
            self.findings.error(
                "fps",
                place,
                f"recorded_fps is {text[:40]!r}, no frames a second",
                "write a number such as 240, or leave the cell empty",
                video=video,
            )
        elif earlier and earlier != rate:
            self.findings.error(
                "fps",
                place,
                f"recorded_fps is {rate:g}, but {earlier:g} in {where}",
                "a video has one; correct the other",
                video=video,
            )

    def add_box(self, video: str, group: str, box: Drawn, measure: Measure) -> None:
        """Note that a player is inside a box.

        Args:
            video: Id of the video.
            group: The player; empty if nobody is named.
            box: Usable or not.
            measure: What its edges are measured in.
        """
        self.boxes[video, tidy(group)][measure].add(box)

    def _meant(self, name: str) -> set[str]:
        """Ids of the videos that a name may mean."""
        for way in _ways(name):
            if found := self._names.get(way):
                return found
        return set()

    def _like(self, name: str) -> str:
        """File name of a video that may be meant; empty if none is."""
        # Looking takes long: not for a thousand missing videos.
        if len(self._missing) > SUGGESTED:
            return ""
        names = {path.name.lower(): path.name for path in self.videos.values()}
        close = difflib.get_close_matches(name.lower()[:200], names, n=1)
        return names[close[0]] if close else ""

    def add(
        self,
        place: Place,
        *,
        video: str,
        begin: Time,
        end: Time,
        label: str | None,
        split: Split | None = None,
        annotator: str = "",
        group: str = "",
        region: Region | None = None,
    ) -> None:
        """Check one annotation; keep it, or note what is wrong with it.

        A stroke whose label is no class is kept without one: it is there, so that nothing may be
        mined from it.

        Args:
            place: Where it stands.
            video: Id of the video, from :meth:`video_named`.
            begin: First frame, or its moment.
            end: Frame after the last one, or its moment.
            label: A class or an alias; ``Unknown``, nothing or None if the class is not known.
            split: What the file or its folder says.
            annotator: Who marked it.
            group: What must not be in two splits at once.
            region: Where the player is in this video.
        """
        known, problem = self.classes.checked(label)
        if problem:
            self.findings.error("label", place, *problem, video=video)
        elif label is not None and not label.strip():
            self.findings.warning(
                "label", place, "has no label", "name the class; it is no sample so", video=video
            )
        for name, time in (("begin", begin), ("end", end)):
            largest = LONGEST_S if isinstance(time, Seconds) else LARGEST_FRAME
            if not 0 <= number(time) <= largest:
                self.findings.error(
                    "time",
                    place,
                    f"{name} is {written(time)}, out of any video",
                    "correct the time",
                    video=video,
                )
                return
        # A frame and a moment can only be compared once the video is known.
        if isinstance(begin, Seconds) == isinstance(end, Seconds) and number(begin) >= number(end):
            self.findings.error(
                "time",
                place,
                f"begin {written(begin)} is not before end {written(end)}",
                "end is the frame after the last one; correct one of them",
                video=video,
            )
            return
        self.annotations.append(
            Annotation(video, begin, end, known, split, place, tidy(annotator), tidy(group), region)
        )


def number(time: Time) -> Fraction | int:
    """The frame number, or the seconds."""
    return time.value if isinstance(time, Seconds) else time


def written(time: Time) -> str:
    """A time for messages: ``120``, or ``1.25 s``."""
    return f"{float(time.value):.6g} s" if isinstance(time, Seconds) else str(time)


def frame_number(text: str) -> int | None:
    """Read a whole frame number from 0; None if the text is none."""
    return int(text) if re.fullmatch(r"\s*[0-9]{1,12}\s*", text) else None


def seconds(text: str) -> Seconds | None:
    """Read seconds (``12``, ``12.5``) or a clock time (``1:02.5``, ``0:01:02.5``).

    A comma may stand for the decimal point. None if the text is none of these.
    """
    match = re.fullmatch(
        r"\s*(?:(?:([0-9]{1,4}):)?([0-9]{1,6}):)?([0-9]{1,12})(?:[.,]([0-9]{0,30}))?\s*", text
    )
    if not match:
        return None
    hours, minutes, whole, decimals = match.groups(default="")
    if (minutes and int(whole) >= 60) or (hours and int(minutes) >= 60):
        return None
    fraction = Fraction(int(decimals), 10 ** len(decimals)) if decimals else Fraction(0)
    return Seconds(3600 * int(hours or 0) + 60 * int(minutes or 0) + int(whole) + fraction)


def split_of(folders: Sequence[str]) -> Split | None:
    """Split that the innermost folder named after one stands for; None if there is none."""
    for folder in reversed(folders):
        if folder.lower() in SPLIT_NAMES:
            return SPLIT_NAMES[folder.lower()]
    return None


def _ways_to_name(relative: PurePosixPath) -> set[str]:
    """How an annotation may name a video, whose path is given below the folder of the videos."""
    bare = relative.with_suffix("")
    names = relative, bare, relative.name, relative.stem, "__".join(bare.parts)
    return {_key(str(name)) for name in names}


def _parts(name: str) -> tuple[str, ...]:
    """Folders and file of a path, of whatever system."""
    return PurePosixPath(name.replace("\\", "/")).parts


def _ways(name: str) -> list[str]:
    """What a name may stand for, the likeliest first."""
    parts = _parts(name)
    # A tool may have kept folders of the annotator's own computer: the innermost ones count.
    ways = [_key("/".join(parts[first:])) for first in range(len(parts))]
    suffix = PurePosixPath(parts[-1]).suffix if parts else ""
    if suffix.lower() in REWRAPPED:
        ways += [way.removesuffix(suffix) for way in ways]
    return ways


def _key(name: str) -> str:
    """Names of files compare in Unicode's composed form: Macs decompose umlauts."""
    return unicodedata.normalize("NFC", name)
