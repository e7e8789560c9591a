"""Does training repeat to the bit on this GPU, and how fast is it?

Every network is trained twice from scratch on made-up windows, through the same code as the stage
`train`, and what was written is compared byte by byte.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

import twinstroke
from twinstroke.errors import UserError
from twinstroke.hdf5 import COMPRESSION, new_hdf5
from twinstroke.settings.network import Architecture, Modality
from twinstroke.settings.train import TrainSettings
from twinstroke.train.fit import Outputs
from twinstroke.train.launch import train
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.reproducible import make_deterministic

CLASSES = 21
EPOCHS = 3
BATCHES = 8
"""Of an epoch."""


@dataclass(frozen=True)
class Case:
    """A network to check."""

    architecture: Architecture
    modality: Modality
    attention_blocks: int
    batch_size: int

    def __str__(self) -> str:
        blocks = f" + {self.attention_blocks} attention" if self.attention_blocks else ""
        name = "I3D " if self.architecture == "i3d" else ""
        return f"{name}{self.modality}{blocks}, batches of {self.batch_size}"


PAPER_CASES = [
    Case("tstcnn", "rgb", 0, 10),
    Case("tstcnn", "rgb", 3, 10),
    Case("tstcnn", "flow", 0, 10),
    Case("tstcnn", "flow", 3, 10),
    Case("tstcnn", "twin", 0, 10),
    Case("tstcnn", "twin", 3, 5),
    Case("i3d", "rgb", 0, 10),
    Case("i3d", "flow", 0, 10),
]
"""The networks of Tables II and III with the batch sizes of the paper.

RGB + Flow of I3D is the last two, trained one after the other.
"""
PAPER_WINDOW = (100, 120, 120)
"""T, H, W of the paper."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: Case
    same_bits: bool
    samples_per_second: float
    """Of the second run's median epoch, reading and augmentation included."""
    waiting: float
    """Share of that time in which the program waited for windows, or made them."""
    peak_memory_gib: float
    """Of the device; on a CPU, of the process."""

    def __str__(self) -> str:
        bits = "same bits" if self.same_bits else "OTHER BITS"
        return (
            f"{self.case!s:40} {bits:10} {self.samples_per_second:7.1f} samples/s "
            f"{self.waiting:6.1%} for windows {self.peak_memory_gib:6.2f} GiB"
        )


def check(
    cases: Sequence[Case], window: tuple[int, int, int], *, loader_workers: int
) -> Iterator[Outcome]:
    """Train each network twice and compare weights and history.

    Once windows are read from the file by processes, once they are held in memory.

    Args:
        cases: The networks.
        window: T, H, W.
        loader_workers: Processes that read windows.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in cases:
            strokes = folder / "strokes.h5"
            samples = made_up_strokes(strokes, window, case.batch_size * BATCHES)
            written = [
                # From the file, and held by the device: that must change nothing.
                _train(case, strokes, samples, window, folder, loader_workers, memory_gb)
                for memory_gb in (0.0, 4.0)
            ]
            timing = json.loads((folder / "training.json").read_text())
            yield Outcome(
                case,
                written[0] == written[1],
                timing["samples_per_second"],
                timing["waiting_for_windows"],
                timing["peak_memory_gib"],
            )


def made_up_strokes(
    path: Path, window: tuple[int, int, int], training_samples: int, frames: int | None = None
) -> dict[str, list[str]]:
    """Write a ``strokes.h5`` of random pictures.

    Args:
        path: The file.
        window: T, H, W.
        training_samples: How many; two more validate.
        frames: Of each sample; T + 4 if left out.

    Returns:
        Names of the samples by split.
    """
    settings = _settings(2)
    margin = settings.augmentation.margin(*window[1:])
    names = [f"s{i}" for i in range(training_samples + 2)]
    length = frames or window[0] + 4
    total, height, width = len(names) * length, window[1] + 2 * margin, window[2] + 2 * margin
    random = np.random.default_rng(0)
    # One clip for all: random pictures do not compress, and would fill the disk.
    rgb = random.integers(0, 256, (length, height, width, 3), np.uint8)
    flow = random.integers(-300, 300, (length, height, width, 2)).astype(np.int16)
    with new_hdf5(path, "made up") as file:
        layout = h5py.VirtualLayout
        for key, clip in (("rgb", rgb), ("flow", flow)):
            file.create_dataset(
                f"clip/{key}", data=clip, chunks=(8, *clip.shape[1:]), **COMPRESSION
            )
            virtual = layout((total, *clip.shape[1:]), clip.dtype)
            for index in range(len(names)):
                virtual[index * length : (index + 1) * length] = h5py.VirtualSource(
                    ".", f"clip/{key}", clip.shape
                )
            file.create_virtual_dataset(key, virtual)
        file["samples/sample"] = names
        file["samples/class_index"] = random.integers(0, CLASSES, len(names))
        file["samples/length"] = np.full(len(names), length)
        file["samples/offset"] = np.arange(len(names)) * length
        file.attrs["window"] = window
        file.attrs["margin"] = margin
        file.attrs["flow_unit_px"] = 1 / 32
        file.attrs["classes"] = json.dumps([f"class {i}" for i in range(CLASSES)])
    return {"train": names[:-2], "validation": names[-2:]}


def _settings(batch_size: int) -> TrainSettings:
    return TrainSettings(
        epochs=EPOCHS,
        batch_size=batch_size,
        learning_rate=0.001,
        schedule="restarts",
        momentum=0.5,
        weight_decay=0.005,
        # Noise cannot be learnt, only made too much of.
        gradient_clip=1.0,
        augment=True,
    )


def _train(
    case: Case,
    strokes: Path,
    samples: dict[str, list[str]],
    window: tuple[int, int, int],
    folder: Path,
    loader_workers: int,
    memory_gb: float,
) -> tuple[bytes, bytes]:
    description = TrainedModel(
        architecture=case.architecture,
        modality=case.modality,
        attention_blocks=case.attention_blocks,
        residual_blocks=0,
        classes=[f"class {i}" for i in range(CLASSES)],
        window=window,
        flow_scale=(5.0, 5.0),
        seed=1,
        optimisation=_settings(case.batch_size),
        torch_version=torch.__version__,
        twinstroke_version=twinstroke.__version__,
    )
    outputs = Outputs(
        work=folder / "work",
        model=folder / "model.safetensors",
        history=folder / "history.csv",
        timing=folder / "training.json",
    )
    train(
        strokes, samples, description, outputs, memory_gb=memory_gb, loader_workers=loader_workers
    )
    # What was trained is kept there, and would not be trained again.
    shutil.rmtree(outputs.work)
    return outputs.model.read_bytes(), outputs.history.read_bytes()


def cuda_device() -> torch.device:
    """The CUDA device, made to repeat itself to the bit.

    Raises:
        UserError: There is none.
    """
    if not torch.cuda.is_available():
        raise UserError("gpu-check: torch sees no CUDA device here; run it where there is one")
    return make_deterministic(seed=1)


def described(device: torch.device) -> list[str]:
    """What is checked by which versions, in lines for people."""
    return [
        f"device:        {torch.cuda.get_device_name(device)}",
        f"versions:      twinstroke {twinstroke.__version__}, torch {torch.__version__}, CUDA "
        f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, Python "
        f"{platform.python_version()}",
        f"deterministic: {torch.are_deterministic_algorithms_enabled()}, CUBLAS_WORKSPACE_CONFIG="
        f"{os.environ['CUBLAS_WORKSPACE_CONFIG']}",
    ]
