"""Every parameter of the pipeline, checked before any work starts.

``params.yaml`` holds what an experiment varies (:class:`Experiment`), ``presets/<name>.yaml`` what
a data set and a scale fix (:class:`Preset`). :func:`load_settings` reads both and reports every
problem at once: unknown keys, wrong types, values out of range, combinations that make no sense.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from twinstroke.errors import UserError
from twinstroke.video_file import Limits

Architecture = Literal["tstcnn", "i3d"]
Modality = Literal["rgb", "flow", "twin"]
Schedule = Literal["constant", "one_cycle", "restarts"]
Precision = Literal["float32", "bfloat16"]
Estimator = Literal["deepflow", "farneback", "dis", "tvl1"]
Targets = Literal["classes", "strokes"]
FromPreset = Literal["preset"]
ALTERNATIVE = re.compile(r"literal\[|list\[|constrained-|(bool|int|float|str)$")
"""What pydantic puts behind the name of a key that may hold one of several things."""
Fraction01 = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
BatchSize = Annotated[int, Field(ge=2)]
"""Batch normalisation needs two values."""

PRESET_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
"""It names folders, so it cannot lead out of them."""
PAPER_EPOCHS = 1500
"""To convergence without attention; the lengths of the restart rule are meant for these."""
POOLINGS = 3
"""Each branch of the network halves T, H and W three times."""


class _Section(BaseModel):
    """Strict: no unknown key, no string where a number belongs, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=_Section)


class SynthesizeSettings(_Section):
    """The rendered data set; without players nothing is rendered, ``data/raw/<preset>`` is read."""

    train_players: Count = 0
    """Players (= videos) of the training split."""
    validation_players: Count = 0
    """Players of the validation split."""
    test_players: Count = 0
    """Players of the test split."""
    strokes_per_player: Positive = 10
    """Strokes in one video."""
    width: Annotated[int, Field(ge=32, multiple_of=2)] = 320
    """Width of the rendered video in pixels; H.264 wants an even number."""
    height: Annotated[int, Field(ge=18, multiple_of=2)] = 180
    """Height of the rendered video in pixels."""

    @property
    def players(self) -> int:
        """Number of videos to render."""
        return self.train_players + self.validation_players + self.test_players


class NegativeSettings(_Section):
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


class SplitSettings(_Section):
    """Which samples train, validate and test."""

    rule: Literal["given", "names", "video", "group", "stroke"]
    """``given``: as folders or a column say; ``names``: by patterns of the video's name; ``video``:
    whole videos are drawn; ``group``: all strokes of one player (or another group) are drawn
    together; ``stroke``: strokes are drawn within each class, as the paper does, which puts one
    player into several splits."""
    group: Annotated[str, Field(min_length=1)] = "player"
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


class ConsensusSettings(_Section):
    """How strokes that several people marked in one video become one; see `index.consensus`."""

    min_iou: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Temporal intersection over union from which two people mean the same stroke."""
    quorum: Fraction01 = 0.5
    """Share of a video's annotators that must have marked a stroke for it to count."""


class IndexSettings(_Section):
    """Where annotations come from and what they may say. Times are frames of the source video."""

    format: Literal["auto", "mediaeval", "csv", "clips", "elan", "via", "label_studio", "cvat"] = (
        "auto"
    )
    """What the annotations are; ``auto`` recognises it, and says what was recognised."""
    videos: str = "."
    """Folder of the videos, below the raw folder of the preset."""
    annotations: str = "."
    """Folder of the annotations, or one file, below the raw folder of the preset."""
    groups: str = ""
    """Table ``video,player`` (or another group) below the raw folder, if the annotations do not
    name the group themselves."""
    times: Literal["frames", "seconds"] = "frames"
    """Format ``csv``: what plain numbers are; clock times (``1:02.5``) are understood anyway."""
    annotation_fps: Annotated[float, Field(gt=0)] | Literal["video"] = "video"
    """Frame rate at which the annotation tool counted frames, if not that of the videos."""
    tiers: list[str] = []
    """Format ``elan``: shell patterns of the tiers that hold strokes; all if left out."""
    classes: Literal["ttstroke21", "found"] | list[str]
    """Class names in the order of their index, ``ttstroke21``, or ``found``: every label that
    occurs."""
    aliases: dict[str, str] = {}
    """Other ways in which annotations write a class: ``FH loop: Offensive Forehand Loop``."""
    fps: Annotated[float, Field(gt=0)]
    """Frame rate that every video must have (within 1 %), in frames a second."""
    full_decode: bool = False
    """Check every frame of every video, rather than the first, middle and last one needed."""
    broken: Literal["stop", "leave_out"] = "stop"
    """What an unusable stroke or video does: it stops the run, or is left out and listed."""
    negatives: NegativeSettings = NegativeSettings()
    split: SplitSettings
    consensus: ConsensusSettings = ConsensusSettings()
    max_overlap: Fraction01 = 0.25
    """Neighbouring strokes may share at most this part of the shorter one (MediaEval: 25 %)."""


class DecodeSettings(_Section):
    """Which frames are kept and how large."""

    width: Annotated[int, Field(ge=16)]
    """Width of a kept frame in pixels; the height follows from the video (H·width//W)."""
    frame_step: Positive
    """Keep every n-th frame of the source video: 4 makes 30 fps of 120 fps."""
    context: Count = 20
    """Source frames kept on both sides of each sample, for ROI smoothing and mask warm-up."""
    timeout_s: Annotated[float, Field(gt=0)] = Limits.timeout_s
    """Seconds after which a run of FFmpeg that gives nothing is ended."""
    max_pixels: Positive = Limits.max_pixels
    """Largest frame of a video that is decoded, in pixels: 8192×4320 if left out."""

    @property
    def limits(self) -> Limits:
        """What a run of FFmpeg may take."""
        return Limits(self.timeout_s, self.max_pixels)


class FlowSettings(_Section):
    """Dense optical flow between neighbouring kept frames."""

    estimator: Estimator
    blur: Literal[0, 3, 5] = 3
    """Side of the Gaussian blur applied to the field, in pixels; 0 leaves it as estimated."""


class MaskSettings(_Section):
    """Foreground mask that multiplies the flow."""

    method: Literal["knn", "mog2", "none"] = "knn"
    """Background subtractor of OpenCV (both after Zivkovic), or no mask at all."""
    history: Positive = 500
    """Frames over which the background is learnt."""
    threshold: Annotated[float, Field(gt=0)] | None = None
    """Squared distance (KNN; 400 if left out) or squared Mahalanobis distance (MOG2; 16)."""
    dilate: Literal[0, 3, 5, 7] = 3
    """Side of the square by which the mask is dilated, in pixels; 0: not at all."""


class RoiSettings(_Section):
    """Region of interest: where the crop is centred, frame by frame."""

    max_weight: Fraction01 = 0.6
    """Weight of the point of largest flow; the centroid of the moving pixels gets the rest."""
    smoothing_s: Annotated[float, Field(ge=0)] = 1 / 3
    """Length of the Gaussian smoothing kernel in seconds: 1/3 s is 41 frames at 120 fps."""


class NormalizeSettings(_Section):
    """Masks, region of interest, and the scale by which flow is normalised."""

    mask: MaskSettings = MaskSettings()
    roi: RoiSettings = RoiSettings()
    rule: Literal["normal", "max"] = "normal"
    """``normal``: v / (μ + 3σ) of the per-frame maxima; ``max``: v / largest maximum."""
    min_motion: Annotated[float, Field(ge=0)] = 5.0
    """Rule ``normal`` uses only per-frame maxima above this, in pixels a frame."""


class SegmentSettings(_Section):
    """What is cut out around the region of interest."""

    margin: Count
    """Pixels kept around the window on each side, for augmentation."""


class WindowSettings(_Section):
    """What the network sees: T × H × W."""

    frames: Positive
    """T, in kept frames."""
    height: Positive
    """H of the crop, in pixels of the kept frame."""
    width: Positive
    """W of the crop, in pixels of the kept frame."""


class Preparation(_Section):
    """How frames of a video become what a network sees, but for window and scale of the flow.

    It goes with the network, so that other videos are prepared as those of its training.
    """

    kept_fps: Annotated[float, Field(gt=0)]
    """Kept frames a second."""
    width: Annotated[int, Field(ge=16)]
    """Of kept frames, in pixels; the height follows from the video."""
    flow: FlowSettings
    mask: MaskSettings
    roi: RoiSettings
    margin: Count
    """Pixels around the window, which decide how the place of the crop is rounded."""


class BalanceSettings(_Section):
    """How many samples of the rejection class each split keeps."""

    negatives: Literal["largest", "mean", "all"] | Count
    """Size of the largest stroke class, mean size of the stroke classes, all, or a number."""
    min_agreement: Fraction01 = 0.0
    """Training strokes are used only if at least this share of the annotators named their class.
    Other splits keep all: what is hard to tell must not vanish from the figures."""


class AugmentationSettings(_Section):
    """Ranges of the views of training windows; the published code's, if left out.

    One draw a window and epoch holds for all its frames and both streams. Where the window begins
    is drawn too, from N(slack / 2, slack / 6), which has no range to set.
    """

    rotation_deg: Annotated[float, Field(ge=0, le=45)] = 10.0
    """Largest angle about the region of interest, to either side, in degrees."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Largest change of size: 0.1 draws factors from 0.9 to 1.1."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest shift, as a part of the window's height and width."""
    flip: Fraction01 = 0.5
    """Probability that left and right change places."""

    def margin(self, height: int, width: int) -> int:
        """Pixels around a window of (height, width) that a view of it can show, on each side."""
        needed = 0.0
        for along, across in ((width, height), (height, width)):
            # A corner reaches furthest when the diagonal lies along the axis.
            angle = min(math.radians(self.rotation_deg), math.atan2(across, along))
            half = (along * math.cos(angle) + across * math.sin(angle)) / 2 / (1 - self.zoom)
            needed = max(needed, half + self.shift * along - along / 2)
        return math.ceil(needed - 1e-9)


class RestartSettings(_Section):
    """Warm restarts, section IV-C of the paper; see :class:`twinstroke.train.WarmRestarts`.

    Lengths are in epochs out of the 1,500 of the paper, and shrink or grow with the preset's own
    number of epochs.
    """

    patience: Positive = 50
    """Epochs at one rate before the loss is looked at."""
    recent: Positive = 25
    """Last epochs, whose mean training loss is compared …"""
    before: Positive = 35
    """… with that of so many epochs before them."""
    factor: Annotated[float, Field(gt=1)] = 10.0
    """The rate is divided by it at each restart …"""
    lowest_rate: Annotated[float, Field(gt=0)] = 1e-5
    """… down to this one, after which it is the highest again."""
    drop: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Restart at once below this part of the best validation accuracy …"""
    drop_floor: Fraction01 = 0.25
    """… once the best is at least this: near chance, accuracies jump by themselves."""

    def scaled(self, epochs: int) -> RestartSettings:
        """The rule for a preset of `epochs` epochs: at least 4, 2 and 2, to have means at all."""
        lengths = {
            name: max(least, round(getattr(self, name) * epochs / PAPER_EPOCHS))
            for name, least in (("patience", 4), ("recent", 2), ("before", 2))
        }
        return self.model_copy(update=lengths)


class TrainSettings(_Section):
    """Optimisation."""

    epochs: Positive
    batch_size: BatchSize
    learning_rate: Annotated[float, Field(gt=0)]
    """Constant rate, the peak of the one-cycle schedule, or the highest rate of the restarts."""
    schedule: Schedule
    momentum: Annotated[float, Field(gt=0, lt=1)]
    """Nesterov momentum."""
    weight_decay: Annotated[float, Field(ge=0)]
    gradient_clip: Annotated[float, Field(ge=0)]
    """Largest norm of the gradient; 0 does not clip."""
    augment: bool
    """Draw the views of training windows, or always show their middle."""
    augmentation: AugmentationSettings = AugmentationSettings()
    restarts: RestartSettings = RestartSettings()
    """Schedule ``restarts``."""


class PresetTrainSettings(TrainSettings):
    """Optimisation as a preset gives it, and what no experiment varies."""

    batch_size_twin_attention: BatchSize
    """Batch size for Twin with attention blocks: it needs more memory than the others."""


class FeedSettings(_Section):
    """Where training samples lie while a network is trained. Results do not depend on it."""

    memory_gb: Annotated[float, Field(ge=0)] = 4.0
    """Samples that take no more than so many GB (10^9 bytes; uncompressed, thrice what they take in
    ``strokes.h5``) are read once and held in memory, or on the GPU if they take no more than a
    quarter of what is free there. Each process holds its own."""
    loader_workers: Count = 0
    """Processes that read training windows ahead where samples are not held; with 0, training waits
    for each batch."""


class ExecutionSettings(_Section):
    """How training is carried out. The mathematics is the same; what becomes of the bits, is said.

    "Repeats" means: the same bits from the same settings on the same type of device.
    """

    precision: Precision = "float32"
    """``bfloat16``: convolutions and matrix products take numbers of 8 significant bits, and add up
    in float32; weights stay float32. Repeats; differs from float32 by what was rounded."""
    compile: bool = False
    """Let torch.compile make one program of the network: minutes once, then shorter steps. Does not
    promise to repeat: it may choose other kernels."""
    checkpointing: bool = False
    """Compute features again for the gradient, rather than keep them: less memory, longer steps.
    Repeats, and has the same bits as without. Not together with `compile`."""
    processes: Positive = 1
    """Processes that share each batch, one a GPU where there are any. Repeats for the same number
    of processes; another number gives the same to rounding (I3D: other dropout, another curve)."""

    @property
    def repeats(self) -> bool:
        """The same bits are promised."""
        return not self.compile


class EvaluateSettings(_Section):
    """How a trained network decides about a stroke."""

    stride: Positive
    """Kept frames from window to window, where a decision asks several; 1 asks all there are."""


class AttendSettings(_Section):
    """Of which samples the attention is drawn."""

    samples: Count
    """Half of them the most confident mistakes, half the most confident right ones."""


class DetectSettings(_Section):
    """How strokes are found in untrimmed videos, by what a network says of all their windows."""

    stride: Positive
    """Kept frames from window to window."""
    smoothing: Literal["none", "vote", "mean", "gaussian"] = "gaussian"
    """What is taken of the windows around a moment: its own only, the share of those that prefer
    each class, their mean, or a mean that counts the nearer ones more."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.8
    """Seconds over which that goes, half before the moment and half after it."""
    rejection: Literal["all", "sum"] = "all"
    """When a moment is no stroke: ``all``: if Negative is more probable than each stroke class;
    ``sum``: than all of them together."""
    negative_weight: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the odds of Negative before that: above 1 where a smaller part of the training
    samples was negative than of a video, as `balance` leaves it."""
    runs: Literal["stroke", "class"] = "stroke"
    """What makes one stroke: neighbouring moments of any stroke class, named by their mean, or of
    the same class."""
    shortest_s: Annotated[float, Field(ge=0)] = 0.25
    """Seconds; shorter runs are dropped (MediaEval's baseline: 30 frames at 120 a second)."""
    gap_s: Annotated[float, Field(ge=0)] = 0.1
    """Seconds; shorter interruptions of a run are bridged."""
    split: Literal["validation", "test", "none"] = "test"
    """Of which videos the stage finds the strokes: choose the rules above on ``validation``.
    ``none``: where flow of whole videos takes longer than each experiment is worth."""


class Preset(_Section):
    """``presets/<name>.yaml``: what a data set and a scale fix."""

    data_seed: Seed
    """Decides what is drawn before training: rendered videos, splits, the choice of negatives. It
    is not the seed of an experiment, so that runs of several seeds share their test samples."""
    synthesize: SynthesizeSettings
    index: IndexSettings
    window: WindowSettings
    decode: DecodeSettings
    flow: FlowSettings
    normalize: NormalizeSettings
    segment: SegmentSettings
    balance: BalanceSettings
    train: PresetTrainSettings
    feed: FeedSettings = FeedSettings()
    evaluate: EvaluateSettings
    attend: AttendSettings
    detect: DetectSettings


class Experiment(ExecutionSettings):
    """``params.yaml``: what an experiment varies. ``preset`` as a value: as the preset says."""

    preset: Annotated[str, Field(pattern=PRESET_NAME)]
    seed: Seed
    architecture: Architecture
    """``tstcnn``: the paper's network; ``i3d``: Inflated Inception-v1, what it is compared with."""
    modality: Modality
    """``twin`` joins both streams: TSTCNN in its last layer, I3D by adding the logits of two
    networks that were trained separately."""
    attention_blocks: Annotated[int, Field(ge=0, le=POOLINGS)]
    """3D attention blocks: after the first k poolings of every branch."""
    residual_blocks: Annotated[int, Field(ge=0, le=POOLINGS)]
    """Residual blocks in the same places, for the ablation."""
    targets: Targets
    """``classes``, or ``strokes``: two classes, Negative and Stroke, which is all that finding
    strokes needs."""
    epochs: Positive | FromPreset
    batch_size: BatchSize | FromPreset
    learning_rate: Annotated[float, Field(gt=0)] | FromPreset
    schedule: Schedule | FromPreset
    momentum: Annotated[float, Field(gt=0, lt=1)] | FromPreset
    weight_decay: Annotated[float, Field(ge=0)] | FromPreset
    gradient_clip: Annotated[float, Field(ge=0)] | FromPreset
    augment: bool | FromPreset
    scheduler: Annotated[str, Field(min_length=1)] = "local"
    """Where frames, flow and strokes are made: ``local`` processes, or the address of a Dask
    scheduler."""


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
    optimisation: TrainSettings
    """``train`` of the preset with the experiment's own values put over it."""
    execution: ExecutionSettings

    @property
    def raw(self) -> Path:
        """Folder of the raw data: the rendered data set, or the user's."""
        if self.synthesize.players:
            return Path("data", self.name, "synthetic")
        return Path("data", "raw", self.name)

    @property
    def kept_fps(self) -> float:
        """Frame rate after decoding, in frames a second."""
        return self.index.fps / self.decode.frame_step

    @property
    def preparation(self) -> Preparation:
        """How frames become what a network sees."""
        return Preparation(
            kept_fps=self.kept_fps,
            width=self.decode.width,
            flow=self.flow,
            mask=self.normalize.mask,
            roi=self.normalize.roi,
            margin=self.segment.margin,
        )


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
            preset = _validated(Preset, _loaded(preset_file, problems), preset_file, problems)
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

    training = {name: getattr(preset.train, name) for name in TrainSettings.model_fields}
    # By the preset's own epochs: a shorter experiment is a part of the same training.
    training["restarts"] = preset.train.restarts.scaled(preset.train.epochs)
    if experiment.modality == "twin" and experiment.attention_blocks:
        training["batch_size"] = preset.train.batch_size_twin_attention
    for name in TrainSettings.model_fields.keys() & Experiment.model_fields.keys():
        if getattr(experiment, name) != "preset":
            training[name] = getattr(experiment, name)
    if training["batch_size"] < experiment.processes:
        raise UserError(
            f"{params_file}: processes: {experiment.processes} cannot share batches of "
            f"{training['batch_size']}; use fewer, or a larger batch_size"
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
        optimisation=TrainSettings(**training),
        execution=ExecutionSettings(
            **{name: getattr(experiment, name) for name in ExecutionSettings.model_fields}
        ),
    )


def _loaded(file: Path, problems: list[str]) -> Any:
    try:
        with file.open(encoding="utf-8") as stream:
            content = YAML(typ="safe", pure=True).load(stream)
    except FileNotFoundError:
        problems.append(f"{file}: not found; run from the project's folder")
    except (MarkedYAMLError, UnicodeDecodeError) as error:
        problems.append(f"{file}: not readable as YAML: {' '.join(str(error).split())}")
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
