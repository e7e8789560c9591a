"""Section ``index`` of a preset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twinstroke.settings.base import Count, Fraction01, Positive, Section

PLAYER = "player"
"""The group that formats know which have a place for it."""


class NegativeSettings(Section):
    """How samples of the rejection class are mined from the gaps between strokes."""

    rule: Literal["gaps", "mediaeval", "none"] = "gaps"
    """``gaps``: consecutive segments that keep their distance from every stroke; ``mediaeval``:
    as the published baseline cuts them; ``none``."""
    frames: Positive = 200
    """Length of one mined segment in frames of the source video."""
    margin: Count = 0
    """Rule ``gaps``: source frames between a segment and the strokes beside it, at least."""
    pool: Positive | Literal["all"] = "all"
    """How many mined segments are kept, drawn before the split; the others are never decoded."""


class SplitSettings(Section):
    """Which samples train, validate and test."""

    rule: Literal["given", "names", "video", "group", "stroke"]
    """``given``: as folders or a column say; ``names``: by patterns of the video's name; ``video``:
    whole videos are drawn; ``group``: all strokes of one player (or another group) are drawn
    together; ``stroke``: strokes are drawn within each class, as the paper does, which puts one
    player into several splits."""
    group: Annotated[str, Field(min_length=1)] = PLAYER
    """Column of the table of strokes, or of `IndexSettings.groups`, that names the group."""
    train: list[str] = []
    """Rule ``names``: shell patterns of the training videos, e.g. ``fold[012]_*``."""
    validation: list[str] = []
    """Rule ``names``: patterns of the validation videos."""
    test: list[str] = []
    """Rule ``names``: patterns of the test videos."""
    train_ratio: Fraction01 = 0.7
    """Rules that draw: share of the training split."""
    validation_ratio: Fraction01 = 0.2
    """Rules that draw: share of the validation split; test gets the rest."""
    folds: Annotated[int, Field(ge=3)] | Literal["none"] = "none"
    """Rules that draw: parts for cross-validation, instead of ratios."""
    fold: Count = 0
    """Which of the folds tests, from 0; the one after it validates, the others train."""


class ConsensusSettings(Section):
    """How strokes that several people marked in one video become one; see `index.consensus`."""

    min_iou: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Temporal intersection over union from which two people mean the same stroke."""
    quorum: Fraction01 = 0.5
    """Share of a video's annotators that must have marked a stroke for it to count."""


class ElanSettings(Section):
    """How files of ELAN are meant."""

    tiers_are: Literal["auto", "annotators", "classes", "players"] = "auto"
    """What a tier stands for. ``annotators``: for who marked its strokes; ``classes``: its name is
    the class of its strokes, whatever their values; ``players``: its participant, or else its name,
    is the player. ``auto`` takes classes or players where a file leaves no doubt, and tells."""


class IndexSettings(Section):
    """Where annotations come from and what they may say. Times are frames of the source video."""

    format: Literal[
        "auto",
        "mediaeval",
        "csv",
        "clips",
        "elan",
        "elan_text",
        "via",
        "label_studio",
        "cvat",
        "sportscode",
        "boris",
        "activitynet",
        "srt",
    ] = "auto"
    """What the annotations are; ``auto`` recognises it, and says what was recognised."""
    videos: str = "."
    """Folder of the videos, below the raw folder of the preset."""
    annotations: str = "."
    """Folder of the annotations, or one file, below the raw folder of the preset."""
    groups: str = ""
    """Table ``video,player`` (or another group) below the raw folder, if the annotations do not
    name the group themselves."""
    sheet: str = ""
    """Formats ``csv`` and ``boris``: sheet of a workbook (``.xlsx``); the first one if left out."""
    times: Literal["frames", "seconds"] = "frames"
    """Format ``csv``: what plain numbers are; clock times (``1:02.5``) are understood anyway."""
    annotation_fps: Annotated[float, Field(gt=0)] | Literal["video"] = "video"
    """Frame rate at which the annotation tool counted frames, if not that of the videos."""
    tiers: list[str] = []
    """Formats ``elan``, ``elan_text`` and ``sportscode``: shell patterns of the tiers, or codes,
    that hold strokes; all if left out."""
    elan: ElanSettings = ElanSettings()
    boxes: Literal["strokes", "regions"] = "strokes"
    """Formats ``label_studio``, ``cvat`` and ``via``: what boxes in pictures say. ``strokes``: when
    a stroke is, if the format has it so; ``regions``: also where its player is, and only that if
    they are labelled as `SplitSettings.group` says (``player``), or not at all."""
    classes: Literal["ttstroke21", "found"] | list[str]
    """Class names in the order of their index, ``ttstroke21``, or ``found``: every label that
    occurs."""
    aliases: dict[str, str] = {}
    """Other ways in which annotations write a class: ``FH loop: Offensive Forehand Loop``."""
    fps: Annotated[float, Field(gt=0)] | Literal["any"]
    """Frame rate that every video must have (within 1 %), in frames a second; of a variable one,
    the usual. ``any`` with `decode.rate`, which makes one rate of all."""
    recorded_fps: Annotated[float, Field(ge=0.1)] | Literal["stored"] = "stored"
    """Slow motion: frames a second at which the videos were recorded, though they are stored at
    fewer. A column ``recorded_fps`` of the table of strokes, or of `groups`, says it of single
    videos. Seconds of annotations are those that a player shows."""
    full_decode: bool = False
    """Check every frame of every video, rather than the first, middle and last one needed."""
    broken: Literal["stop", "leave_out"] = "stop"
    """What an unusable stroke or video does: it stops the run, or is left out and listed."""
    negatives: NegativeSettings = NegativeSettings()
    split: SplitSettings
    consensus: ConsensusSettings = ConsensusSettings()
    max_overlap: Fraction01 = 0.25
    """Neighbouring strokes may share at most this part of the shorter one (MediaEval: 25 %)."""
