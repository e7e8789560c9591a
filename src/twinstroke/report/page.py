"""One page that tells what was trained on what, and how good it is: ``index.html``.

Pictures and films are part of the page, so that it can be sent by mail and opened without network,
program or folder beside it.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import twinstroke
from twinstroke.annotations.superclasses import groupings
from twinstroke.attend.tables import AttentionRow, DrawnSample
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import DECISIONS
from twinstroke.evaluate.intervals import clustered_interval
from twinstroke.evaluate.predictions import Prediction, load_predictions, shown_split, units_of
from twinstroke.files import replacing
from twinstroke.normalize.stored import FlowStatistics
from twinstroke.settings.load import Settings
from twinstroke.tables import SPLITS, Sample, Video, read_table
from twinstroke.train.naming import network_name

KINDS = {".png": "image/png", ".mp4": "video/mp4"}
DECISION_TITLES = {
    "single": "one window",
    "vote": "vote",
    "mean": "mean",
    "gaussian": "weighted mean",
}
COLUMNS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "top3_accuracy": "top 3",
    "hand_accuracy": "hand",
    "type_accuracy": "type",
    "type_hand_accuracy": "both",
    "ece": "ECE",
    "nll": "NLL",
}
"""Figures of the table, and their headings."""
DETECTION_ROWS = {
    "iou": "frames: IoU of annotated and found",
    "class_iou": "frames, the class being right",
    "precision_50": "precision at temporal IoU 0.5",
    "recall_50": "recall at temporal IoU 0.5",
    "f1_50": "F1 at temporal IoU 0.5",
    "ap": "average precision, mean over IoU 0.50 to 0.95",
    "class_ap": "the same, mean over classes",
    "label_accuracy": "class of matched strokes is right",
    "begin_within": "begin within 0.1 s, of matched strokes",
    "end_within": "end within 0.1 s, of matched strokes",
    "map_2021": "“mAP” of MediaEval 2021",
    "map_2022": "“mAP” of MediaEval 2022",
}
"""Figures of the table of detection, and their headings."""
SHARES = (frozenset(COLUMNS) - {"macro_f1", "ece", "nll"}) | {
    name for name in DETECTION_ROWS if name not in ("ap", "class_ap", "map_2021", "map_2022")
}
"""Those that are shown as percentages."""


def write_report(settings: Settings, *, folder: Path, reports: Path) -> Path:
    """Write the page out of what the stages before left.

    Args:
        settings: Of the run.
        folder: ``data/<preset>``.
        reports: ``reports/<preset>``, which gets ``index.html``.

    Returns:
        The page.

    Raises:
        UserError: A file is missing or damaged.
    """
    scores, data, timing = (
        _json(reports / f"{name}.json") for name in ("scores", "data", "training")
    )
    samples = read_table(folder / "samples.csv", Sample)
    measured = [split for split in SPLITS if f"{split}.single.n" in scores]
    shown = shown_split(measured)
    table = load_predictions(reports / "predictions" / f"{shown}.csv")
    environment = Environment(
        loader=PackageLoader("twinstroke.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "figure": _figure}
    own = table.by("single")
    page = environment.get_template("page.html").render(
        settings=settings,
        network=network_name(settings),
        scores=scores,
        data=data,
        timing=timing,
        measured=measured,
        shown=shown,
        units=_over_units(own),
        guess=max(Counter(row.actual for row in own).values()) / len(own),
        guess_nll=math.log(len(table.classes)),
        decisions={name: DECISION_TITLES[name] for name in DECISIONS},
        columns=[
            (name, title)
            for name, title in COLUMNS.items()
            if any(f"{split}.single.{name}" in scores for split in measured)
        ],
        classes=_class_counts(samples),
        groups={split: _named_groups(samples, split) for split in SPLITS},
        all_named=all(sample.group for sample in samples),
        videos=_videos(read_table(folder / "videos.csv", Video)),
        statistics=FlowStatistics.model_validate(_json(folder / "statistics.json")),
        attention=read_table(reports / "attention.csv", AttentionRow),
        drawn=_drawn(reports / "attention"),
        detection=_json(reports / "detection_scores.json"),
        detection_rows=DETECTION_ROWS,
        hands="hand" in groupings(table.classes),
        pages=sorted(path.stem for path in (reports / "detections").glob("*.html")),
        embedded={path.name: embedded(path) for path in _pictures(reports)},
        command=command(settings),
        version=twinstroke.__version__,
    )
    target = reports / "index.html"
    with replacing(target) as partial:
        partial.write_text(page, encoding="utf-8")
    return target


def embedded(path: Path) -> str:
    """A picture or film as a ``data:`` address.

    Raises:
        UserError: The file is missing.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run dvc repro") from None
    return f"data:{KINDS[path.suffix]};base64,{b64encode(content).decode()}"


def command(settings: Settings) -> str:
    """What to type, in a clone with the same data, to make this run again."""
    values = {
        "preset": settings.name,
        "seed": settings.seed,
        "architecture": settings.architecture,
        "modality": settings.modality,
        "attention_blocks": settings.attention_blocks,
        "residual_blocks": settings.residual_blocks,
        "targets": settings.targets,
    } | {
        name: getattr(settings.optimisation, name)
        for name in (
            "epochs",
            "batch_size",
            "learning_rate",
            "schedule",
            "momentum",
            "weight_decay",
            "gradient_clip",
            "augment",
        )
    }
    values |= settings.execution.model_dump()
    words = (f"-S {name}={str(value).lower()}" for name, value in values.items())
    return " \\\n    ".join(("dvc exp run", *words))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run dvc repro") from None
    except ValueError as error:
        raise UserError(f"{path}: not readable as JSON ({error}); run dvc repro") from None


def _drawn(folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "row": row,
            "picture": embedded(folder / row.picture),
            "video": embedded(folder / row.video),
        }
        for row in read_table(folder / "samples.csv", DrawnSample)
    ]


def _pictures(reports: Path) -> list[Path]:
    names = ("history", "confusion", "recalls", "reliability", "mistakes", "detections")
    return [reports / f"{name}.png" for name in names]


def _over_units(rows: Sequence[Prediction]) -> dict[str, Any] | None:
    """Accuracy for other players or videos; None where each sample is its own."""
    kind, units = units_of(rows)
    count = len(set(units))
    if count == len(rows):
        return None
    interval = clustered_interval([row.right for row in rows], units)
    if interval is not None:
        # Means of any values may be negative, shares may not.
        interval = interval.model_copy(update={"low": max(0.0, interval.low)})
    return {
        "count": count,
        "kind": {"group": "players or other groups", "video": "videos"}[kind],
        "interval": interval,
    }


def _class_counts(samples: Sequence[Sample]) -> list[tuple[str, list[int]]]:
    """Samples of each class in each split, in the order of the classes."""
    counts = Counter((sample.label, sample.split) for sample in samples)
    order = {sample.label: sample.class_index for sample in samples}
    return [
        (label, [counts[label, split] for split in SPLITS])
        for label in sorted(order, key=order.__getitem__)
    ]


def _named_groups(samples: Sequence[Sample], split: str) -> int:
    return len({sample.group for sample in samples if sample.split == split and sample.group})


def _videos(videos: Sequence[Video]) -> dict[str, Any]:
    return {
        "count": len(videos),
        "frames": sum(video.frames for video in videos),
        "minutes": sum(float(video.frames / video.fps) for video in videos) / 60,
        "sizes": sorted({f"{video.width}×{video.height}" for video in videos}),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _figure(value: float, name: str) -> str:
    return _percent(value) if name in SHARES else f"{value:.3f}"
