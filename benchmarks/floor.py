"""How far is a training step from what the device could do at best?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.feeding import CPU, GPU, Scale, description
from benchmarks.measuring import Section, table
from twinstroke.models.network import CHANNELS
from twinstroke.settings.network import Modality
from twinstroke.train.fit import train_step
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.state import State

PASSES_OVER_WEIGHTS = 7
"""Read forward and backward; gradient written and read; momentum read and written; and written."""


def measure(_: Path) -> Section:
    """Count what a step must do, measure what the device can, and time the step."""
    device = make_deterministic(0)
    on_gpu = device.type == "cuda"
    cases: list[tuple[Modality, int, Scale, int]] = [
        ("twin", 0, GPU if on_gpu else CPU, 10 if on_gpu else 8),
        # The largest one, which the paper trains in batches of 5.
        ("twin", 3, GPU, 5 if on_gpu else 1),
    ]
    flops_per_s, bytes_per_s = _product_rate(device), _copy_rate(device)
    rows = []
    for modality, blocks, scale, batch_size in cases:
        flops, kept, weights = _needs(modality, blocks, scale, batch_size)
        moved = 2 * kept + PASSES_OVER_WEIGHTS * weights
        floor = max(flops / flops_per_s, moved / bytes_per_s)
        seconds = _seconds(modality, blocks, scale, batch_size, device)
        size = "×".join(map(str, scale.window))
        rows.append(
            [
                f"Twin, {blocks} attention blocks, {size}, batch {batch_size}",
                f"{flops / 1e9:,.0f}",
                f"{moved / 1e9:.1f}",
                f"{flops / flops_per_s:.2f} s",
                f"{moved / bytes_per_s:.2f} s",
                f"{seconds:.2f} s",
                f"{seconds / floor:.1f} ×",
                f"{kept / 2**30:.1f} GiB",
            ]
        )
    head = ["", "GFLOP", "GB", "products", "memory", "step", "above the floor", "kept"]
    return Section(
        "Floor",
        [],
        "What a step cannot do without: the products of convolutions and layers, forward and "
        "backward, as torch counts them (two FLOPs each), at the rate of this device's large "
        f"matrix product in float32, {flops_per_s / 1e9:,.0f} GFLOP/s; and the bytes of features, "
        f"written once and read once, and of weights, {PASSES_OVER_WEIGHTS} times, at the rate of "
        f"a copy, {bytes_per_s / 1e9:.1f} GB/s. The floor is the longer of the two. *Kept*: "
        "features that the forward pass keeps for the gradient. The step is the median of 2 after "
        "one that does not count.",
        [table(head, rows)],
    )


def _needs(modality: Modality, blocks: int, scale: Scale, batch_size: int) -> tuple[int, int, int]:
    """FLOPs of a step, bytes kept for the gradient, bytes of the weights."""
    device = torch.device("meta")  # shapes alone
    model = description(modality, scale, attention_blocks=blocks).build(device)
    streams = {
        name: torch.empty(batch_size, *shape, device=device)
        for name, shape in model.streams.items()
    }
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            logits = model(streams)
        target = torch.empty(batch_size, dtype=torch.int64, device=device)
        F.cross_entropy(logits, target).backward()
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return counter.get_total_flops(), sum(kept.values()), weights


def _seconds(
    modality: Modality, blocks: int, scale: Scale, batch_size: int, device: torch.device
) -> float:
    made = description(modality, scale, attention_blocks=blocks)
    model = made.build(device).train()
    optimiser = State.initial(model, made.optimisation, steps=1).optimiser
    streams = {
        name: torch.rand(batch_size, *scale.window, CHANNELS[name], device=device).permute(
            0, 4, 1, 2, 3
        )
        for name in model.streams
    }
    target = torch.zeros(batch_size, dtype=torch.int64, device=device)

    def step() -> None:
        loss, _ = train_step(
            model,
            optimiser,
            streams,
            target,
            weight=1 / batch_size,
            gradient_clip=5.0,
            precision="float32",
        )
        float(loss)  # waits for a GPU

    step()
    return statistics.median(_timed(step) for _ in range(2))


def _product_rate(device: torch.device) -> float:
    """FLOPs a second of a large matrix product, the best of several."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = torch.rand(2, size, size, device=device)

    def product() -> None:
        float((a @ b)[0, 0])

    return 2 * size**3 / min(_timed(product) for _ in range(6))


def _copy_rate(device: torch.device) -> float:
    """Bytes read or written a second by a large copy, the best of several."""
    source = torch.rand(2**28 if device.type == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        float(target[0])

    return 2 * source.numel() * source.element_size() / min(_timed(copy) for _ in range(6))


def _timed(run: Callable[[], None]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun
