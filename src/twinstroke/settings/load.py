"""Reads ``params.yaml`` and the preset that it names; reports every problem at once."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from twinstroke.errors import UserError
from twinstroke.settings.base import Section
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.settings.experiment import Experiment
from twinstroke.settings.index import PLAYER
from twinstroke.settings.network import POOLINGS, Architecture, Modality, Targets
from twinstroke.settings.preset import PRESET_NAME, Preset
from twinstroke.settings.train import TrainSettings, optimisation
from twinstroke.settings.yaml import NotYamlError, load_yaml

ALTERNATIVE = re.compile(r"literal\[|list\[|constrained-|(bool|int|float|str)$")
"""What pydantic puts behind the name of a key that may hold one of several things."""
M = TypeVar("M", bound=Section)


class Settings(Preset):
    """Both files together; ``train`` is resolved: experiment over preset."""

    name: str
    """The preset's name, which is also the name of its folders."""
    seed: int
    """Of training."""
    architecture: Architecture
    modality: Modality
    attention_blocks: int
    residual_blocks: int
    targets: Targets
    scheduler: str
    """``local``, or the address of a Dask scheduler."""
    state_minutes: float
    """From one saved state of a training to the next."""
    optimisation: TrainSettings
    """``train`` of the preset with the experiment's own values put over it."""
    execution: ExecutionSettings


def load_settings(root: Path = Path()) -> Settings:
    """Read and check ``params.yaml`` and the preset that it names.

    Args:
        root: The project's folder.

    Returns:
        All settings, with the experiment's training values over those of the preset.

    Raises:
        UserError: One line for each problem of both files.
    """
    params_file = root / "params.yaml"
    problems: list[str] = []
    content = _loaded(params_file, problems)
    experiment = _validated(Experiment, content, params_file, problems)
    if experiment is not None:
        problems += [f"{params_file}: {text}" for text in _experiment_nonsense(experiment)]
    preset = None
    name = content.get("preset") if isinstance(content, dict) else None
    # With the name of the preset, its problems can be told whatever else is wrong.
    if isinstance(name, str) and PRESET_NAME.fullmatch(name):
        preset_file = root / "presets" / f"{name}.yaml"
        if preset_file.is_file():
            preset = _preset(_loaded(preset_file, problems), preset_file, problems)
        else:
            known = ", ".join(sorted(p.stem for p in preset_file.parent.glob("*.yaml"))) or "none"
            problems.append(
                f"{params_file}: preset: {name!r} has no file {preset_file}; presets that exist: "
                f"{known}. Write that file, or choose one of these."
            )
        if preset is not None:
            problems += [f"{preset_file}: {text}" for text in _preset_nonsense(preset)]
    if problems or experiment is None or preset is None:
        raise UserError(problems)

    training = optimisation(preset.train, dict(experiment))
    if training.batch_size < experiment.processes:
        raise UserError(
            f"{params_file}: processes: {experiment.processes} cannot share batches of "
            f"{training.batch_size}; use fewer, or a larger batch_size"
        )
    sections = {name: getattr(preset, name) for name in Preset.model_fields}
    return Settings(
        **sections,
        name=experiment.preset,
        seed=experiment.seed,
        architecture=experiment.architecture,
        modality=experiment.modality,
        attention_blocks=experiment.attention_blocks,
        residual_blocks=experiment.residual_blocks,
        targets=experiment.targets,
        scheduler=experiment.scheduler,
        state_minutes=experiment.state_minutes,
        optimisation=training,
        execution=ExecutionSettings(
            **{name: getattr(experiment, name) for name in ExecutionSettings.model_fields}
        ),
    )


def _preset(content: Any, file: Path, problems: list[str]) -> Preset | None:
    """Validate a preset, also one that was written before ``detect.split`` had to be said.

    DVC refuses such a preset by itself, before the first stage that depends on the key.
    """
    detect = content.get("detect") if isinstance(content, dict) else None
    if not isinstance(detect, dict) or "split" in detect:
        return _validated(Preset, content, file, problems)
    detect["split"] = "test"
    preset = _validated(Preset, content, file, problems)
    if preset:
        preset.detect.model_fields_set.discard("split")
    return preset


def _loaded(file: Path, problems: list[str]) -> Any:
    try:
        with file.open(encoding="utf-8") as stream:
            content = load_yaml(stream)
    except FileNotFoundError:
        problems.append(f"{file}: not found; run from the project's folder")
    except NotYamlError as error:
        problems.append(f"{file}: not readable as YAML: {error}")
    else:
        if isinstance(content, dict):
            return content
        problems.append(f"{file}: holds no keys; write `key: value` lines")
    return None


def _validated(model: type[M], content: Any, file: Path, problems: list[str]) -> M | None:
    if content is None:
        return None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # A value that may also be a word such as `preset` fails once for each: tell it once.
        by_place = defaultdict(list)
        for item in error.errors():
            by_place[tuple(p for p in item["loc"] if not ALTERNATIVE.match(str(p)))].append(item)
        for location, (item, *others) in by_place.items():
            key = ".".join(str(part) for part in location) or "the file"
            if item["type"] == "extra_forbidden":
                problems.append(f"{file}: {key}: unknown key; remove it or mend its spelling")
            elif item["type"] == "missing":
                problems.append(f"{file}: {key}: missing")
            else:
                allowed = (other["msg"].removeprefix("Input should be ") for other in others)
                message = ", or ".join((item["msg"], *allowed))
                problems.append(f"{file}: {key}: {message} (found {item['input']!r})")
        return None


def _experiment_nonsense(experiment: Experiment) -> list[str]:
    attention, residual = experiment.attention_blocks, experiment.residual_blocks
    if experiment.architecture == "i3d" and (attention or residual):
        return [
            f"architecture: i3d has no places for blocks, but attention_blocks is {attention} and "
            f"residual_blocks is {residual}; set both to 0"
        ]
    if attention and residual:
        return [
            f"attention_blocks: {attention} and residual_blocks: {residual} exclude each other; "
            "set one of them to 0"
        ]
    if experiment.compile and experiment.checkpointing:
        return [
            "compile: true and checkpointing: true exclude each other, since torch.compile decides "
            "itself what is kept; set one of them to false"
        ]
    return []


def _preset_nonsense(preset: Preset) -> list[str]:
    problems = []
    window, decode, index = preset.window, preset.decode, preset.index
    if decode.rate != "video" and decode.frame_step != 1:
        problems.append(
            f"decode.rate: {decode.rate:g} and decode.frame_step: {decode.frame_step} exclude each "
            "other; leave one of them out"
        )
    if decode.rate == "video" and index.fps == "any":
        problems.append(
            "index.fps: any rate will do only where decode.rate makes one of all; set decode.rate "
            "to the frames a second that are to be kept, or index.fps to the rate of the videos"
        )
    for name in ("evaluate", "detect"):
        if (stride := getattr(preset, name).stride) > window.frames:
            problems.append(
                f"{name}.stride: {stride} kept frames leave out some between two windows of "
                f"{window.frames} (window.frames); at most that"
            )
    for axis in ("frames", "height", "width"):
        if getattr(window, axis) < 2**POOLINGS:
            problems.append(
                f"window.{axis}: {getattr(window, axis)} does not survive 3 poolings; at least 8"
            )
    if window.width > decode.width:
        problems.append(
            f"window.width: {window.width} is wider than the kept frames (decode.width: "
            f"{decode.width}); make the window narrower or the frames wider"
        )
    needed = preset.train.augmentation.margin(window.height, window.width)
    if preset.train.augment and preset.segment.margin < needed:
        problems.append(
            f"segment.margin: {preset.segment.margin} pixels are fewer than the {needed} that "
            "train.augmentation can bring into sight; widen the margin or narrow its ranges"
        )
    mined = index.negatives
    source_frames = window.frames * decode.frame_step
    if mined.rule != "none" and mined.frames < source_frames:
        problems.append(
            f"window.frames: {window.frames} kept frames ({source_frames} of "
            f"the source) are longer than a mined negative (index.negatives.frames: "
            f"{mined.frames}); shorten the window or lengthen the negatives"
        )
    if index.elan.tiers_are == "players" and index.split.group.lower() != PLAYER:
        problems.append(
            "index.elan.tiers_are: players, but the samples are grouped by "
            f"{index.split.group!r} (index.split.group); group them by {PLAYER}, or say annotators"
        )
    if isinstance(index.classes, list):
        if len(set(index.classes)) < max(2, len(index.classes)):
            problems.append("index.classes: at least two classes, each named once")
        problems += [
            f"index.classes: {name!r} is empty, has spaces to spare or odd characters; labels are "
            "read without them"
            for name in index.classes
            if not name or name != " ".join(name.split()) or not name.isprintable()
        ]
        if mined.rule != "none" and "Negative" not in index.classes:
            problems.append(
                "index.classes: negatives are mined from the gaps but 'Negative' is no class; add "
                "it or set index.negatives.rule to none"
            )
        problems += [
            f"index.aliases: {alias!r} stands for {name!r}, which is no class"
            for alias, name in index.aliases.items()
            if name not in index.classes
        ]
    if mined.rule != "gaps" and mined.margin:
        problems.append(f"index.negatives.margin: is for rule gaps, but the rule is {mined.rule}")
    if index.format == "clips" and mined.rule != "none":
        problems.append("index.negatives.rule: trimmed clips have no gaps; set it to none")
    split = index.split
    if split.rule == "names" and not (split.train and split.test and split.validation):
        problems.append("index.split: rule names needs patterns for train, validation and test")
    if split.rule != "names" and (split.train or split.validation or split.test):
        problems.append(f"index.split: patterns are for rule names, but the rule is {split.rule}")
    if split.train_ratio + split.validation_ratio > 1:
        problems.append("index.split: train_ratio + validation_ratio is more than 1")
    if split.folds != "none" and split.rule in ("given", "names"):
        problems.append(f"index.split.folds: is for rules that draw, but the rule is {split.rule}")
    if split.fold and (split.folds == "none" or split.fold >= split.folds):
        problems.append(
            f"index.split.fold: {split.fold} is none of the folds (index.split.folds: "
            f"{split.folds}); they count from 0"
        )
    for name in ("videos", "annotations", "groups"):
        folder = Path(getattr(index, name))
        if folder.is_absolute() or ".." in folder.parts:
            problems.append(
                f"index.{name}: {str(folder)!r} must lie below the raw folder of the preset"
            )
    counts = preset.synthesize
    if counts.players and not (
        counts.train_players and counts.validation_players and counts.test_players
    ):
        problems.append("synthesize: each split needs at least one player, or all none")
    return problems
