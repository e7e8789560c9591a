"""Train the RGB, Flow or Twin network, TSTCNN or I3D, and keep its best state."""

import json
import os
from importlib.metadata import version
from pathlib import Path

import h5py

import twinstroke
from twinstroke.balance.stored import UsedSample
from twinstroke.errors import UserError, exits_cleanly
from twinstroke.normalize.stored import FlowStatistics
from twinstroke.progress import summarise
from twinstroke.settings.load import Settings, load_settings
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import NEGATIVE, STROKE_OR_NOT, read_table
from twinstroke.train.fit import Outputs
from twinstroke.train.launch import train
from twinstroke.train.model_file import TrainedModel


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    used = read_table(folder / "balanced.csv", UsedSample)
    statistics = FlowStatistics.model_validate_json((folder / "statistics.json").read_text())
    with h5py.File(folder / "strokes.h5") as file:
        description = TrainedModel(
            architecture=settings.architecture,
            modality=settings.modality,
            attention_blocks=settings.attention_blocks,
            residual_blocks=settings.residual_blocks,
            classes=_classes(json.loads(file.attrs["classes"]), settings),
            window=tuple(file.attrs["window"].tolist()),
            flow_scale=statistics.scale,
            preparation=Preparation.model_validate_json(file.attrs["preparation"]),
            seed=settings.seed,
            optimisation=settings.optimisation,
            execution=settings.execution,
            torch_version=version("torch"),
            twinstroke_version=twinstroke.__version__,
        )
    done = train(
        folder / "strokes.h5",
        {split: [s.sample for s in used if s.split == split] for split in ("train", "validation")},
        description,
        Outputs(
            # DVC runs some experiments in a copy of the folder, which is deleted, and names the
            # folder itself: there an interrupted training is found again.
            work=Path(os.environ.get("DVC_ROOT", ""), "work", "train"),
            model=folder / "model.safetensors",
            history=reports / "history.csv",
            timing=reports / "training.json",
        ),
        memory_gb=settings.feed.memory_gb,
        loader_workers=settings.feed.loader_workers,
    )
    if done is None:
        return  # another process tells
    resumed = f" (resumed after {done.resumed_at})" if done.resumed_at else ""
    best = "; ".join(
        f"best{f' ({name})' if len(done.best) > 1 else ''}: epoch {row.epoch}, validation accuracy "
        f"{row.validation_accuracy:.1%}"
        for name, row in done.best.items()
    )
    summarise(
        "train",
        f"{_network(settings)}, {done.epochs} epochs{resumed}; {best}; peak memory "
        f"{done.peak_memory_gib:.1f} GiB",
    )


def _classes(known: list[str], settings: Settings) -> list[str]:
    if settings.targets == "classes":
        return known
    if NEGATIVE not in known:
        raise UserError(
            f"params.yaml: targets: strokes tells strokes from {NEGATIVE}, which is none of the "
            "classes; mine negatives (index.negatives of the preset), or set it to classes"
        )
    return [*STROKE_OR_NOT]


def _network(settings: Settings) -> str:
    if settings.architecture == "i3d":
        return f"I3D {settings.modality}"
    return (
        f"{settings.modality} with {settings.attention_blocks} attention and "
        f"{settings.residual_blocks} residual blocks"
    )


if __name__ == "__main__":
    main()
