"""The networks against Table I of the paper and against a plain re-statement of its equations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from twinstroke.models import (
    AttentionBlock,
    ResidualBlock,
    build_tstcnn,
    convolutional_parameters,
    upsample_trilinear,
)

Modality = Literal["rgb", "flow", "twin"]
MODALITIES: tuple[Modality, ...] = ("rgb", "flow", "twin")
PAPER_WINDOW = (100, 120, 120)
TINY = (8, 11, 9)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors as small as these lose more by waiting for threads than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- numbers of parameters ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modality", "attention_blocks", "expected"),
    [
        ("rgb", 0, 180_800),
        ("flow", 0, 179_990),
        ("twin", 0, 360_790),
        ("rgb", 3, 498_420),
        ("flow", 3, 497_610),
        ("twin", 3, 996_030),
    ],
)
def test_table_1(modality: Modality, attention_blocks: int, expected: int) -> None:
    with torch.device("meta"):  # counts without taking memory
        model = build_tstcnn(
            modality=modality, classes=21, window=PAPER_WINDOW, attention_blocks=attention_blocks
        )
    assert convolutional_parameters(model) == expected


@pytest.mark.parametrize(("modality", "total"), [("twin", 222_247_051), ("rgb", 108_509_441)])
def test_all_parameters_at_the_window_of_the_paper(modality: Modality, total: int) -> None:
    with torch.device("meta"):
        model = build_tstcnn(modality=modality, classes=21, window=PAPER_WINDOW, attention_blocks=3)
    assert sum(p.numel() for p in model.parameters()) == total


@pytest.mark.parametrize(
    ("channels", "residual", "attention"),
    [(30, 2_300, 29_520), (60, 8_055, 104_100), (80, 14_240, 184_000)],
)
def test_parameters_of_one_block(channels: int, residual: int, attention: int) -> None:
    assert sum(p.numel() for p in ResidualBlock(channels).parameters()) == residual
    assert sum(p.numel() for p in AttentionBlock(channels).parameters()) == attention


@pytest.mark.parametrize("kind", ["attention_blocks", "residual_blocks"])
def test_blocks_come_after_the_first_poolings(kind: str) -> None:
    per_block = {
        "attention_blocks": (29_520, 104_100, 184_000),
        "residual_blocks": (2300, 8055, 14240),
    }
    for blocks in range(4):
        with torch.device("meta"):
            numbers: dict[str, Any] = {kind: blocks}
            model = build_tstcnn(modality="twin", classes=3, window=TINY, **numbers)
        assert convolutional_parameters(model) == 360_790 + 2 * sum(per_block[kind][:blocks])


# --- a re-statement of the equations over named tensors -------------------------------------------


class Plain:
    """The networks as plain functions of the tensors of a state dict, in the paper's order."""

    def __init__(self, module: nn.Module) -> None:
        self.training = module.training
        self.tensors = {name: t.detach().clone() for name, t in module.state_dict().items()}
        for name, _ in module.named_parameters():
            self.tensors[name].requires_grad_()

    def norm_relu_conv(self, name: str, x: Tensor) -> Tensor:
        t = self.tensors
        statistics = t[f"{name}.0.running_mean"], t[f"{name}.0.running_var"]
        scale = t[f"{name}.0.weight"], t[f"{name}.0.bias"]
        x = F.batch_norm(x, *statistics, *scale, training=self.training)
        kernel = t[f"{name}.2.weight"]
        return F.conv3d(torch.relu(x), kernel, padding=(kernel.shape[-1] - 1) // 2)

    def residual(self, name: str, x: Tensor) -> Tensor:
        y = x
        for index in range(3):
            y = self.norm_relu_conv(f"{name}residual.{index}", y)
        return x + y

    def mask_and_output(self, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
        def res(part: str) -> Callable[[Tensor], Tensor]:
            return lambda y: self.residual(f"{name}{part}.", y)

        entry = res("entry")(x)
        trunk = res("trunk.1")(res("trunk.0")(entry))
        pyramid = [entry]
        for level in range(3):
            pooled = F.max_pool3d(pyramid[-1], kernel_size=3, stride=2, padding=1)
            pyramid.append(res(f"bottom_up.{level}")(pooled))
        y = pyramid.pop()
        for index, fine in enumerate(reversed(pyramid)):
            y = res(f"top_down.{index}")(y)
            y = F.interpolate(y, fine.shape[2:], mode="trilinear", align_corners=True)
            if fine is not entry:
                y = y + res(f"skips.{1 - index}")(fine)
        for index in range(2):
            y = self.norm_relu_conv(f"{name}to_mask.{index}", y)
        mask = 1 / (1 + torch.exp(-y))
        return mask, res("exit")((1 + mask) * trunk)

    def network(self, streams: dict[str, Tensor]) -> Tensor:
        t = self.tensors
        vectors = []
        for stream, x in streams.items():
            for index in range(3):
                stage = f"branches.{stream}.stages.{index}"
                x = F.conv3d(x, t[f"{stage}.conv.weight"], t[f"{stage}.conv.bias"], padding=1)
                x = F.max_pool3d(torch.relu(x), 2)
                if f"{stage}.attention.entry.residual.0.0.weight" in t:
                    x = self.mask_and_output(f"{stage}.attention.", x)[1]
                if f"{stage}.residual.residual.0.0.weight" in t:
                    x = self.residual(f"{stage}.residual.", x)
            features = f"branches.{stream}.features"
            x = x.reshape(len(x), -1) @ t[f"{features}.weight"].T + t[f"{features}.bias"]
            vectors.append(torch.relu(x))
        subscripts = {1: "ni,ki->nk", 2: "ni,kij,nj->nk"}[len(vectors)]
        operands = [vectors[0], t["classifier.weight"], *vectors[1:]]
        logits: Tensor = torch.einsum(subscripts, *operands) + t["classifier.bias"]
        return logits


def lively(module: nn.Module) -> nn.Module:
    """Float64; normalisations and residual blocks that are not the identity they start as."""
    generator = torch.Generator().manual_seed(7)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm3d):
            assert layer.running_mean is not None and layer.running_var is not None
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(layer.bias, -0.5, 0.5, generator=generator)
            nn.init.uniform_(layer.running_mean, -0.5, 0.5, generator=generator)
            nn.init.uniform_(layer.running_var, 0.5, 1.5, generator=generator)
        if isinstance(layer, ResidualBlock):
            nn.init.uniform_(layer.last.weight, -0.4, 0.4, generator=generator)
    return module.double()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_same(module: nn.Module, plain: Plain, actual: Tensor, expected: Tensor) -> None:
    """Compare outputs, gradients of every parameter, and running statistics."""
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    direction = noise(*expected.shape, seed=3)
    (actual * direction).sum().backward()
    (expected * direction).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        expected_grad = plain.tensors[name].grad
        assert expected_grad is not None, name
        # Normalising few values amplifies rounding; a wrong equation is wrong in the first digit.
        error = (parameter.grad - expected_grad).abs().max()
        assert error <= 1e-5 * expected_grad.abs().max() + 1e-9, name
    for name, buffer in module.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(buffer, plain.tensors[name], msg=name)


@pytest.mark.parametrize("training", [True, False])
def test_residual_block(training: bool) -> None:
    torch.manual_seed(0)
    block = lively(ResidualBlock(6)).train(training)
    plain = Plain(block)
    x = noise(2, 6, 3, 5, 4)
    assert_same(block, plain, block(x), plain.residual("", x))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(6, 12, 12), (5, 9, 7), (1, 2, 3)])
def test_attention_block(training: bool, size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    block = lively(AttentionBlock(5)).train(training)
    plain = Plain(block)
    x, y = (noise(4, 5, *size).requires_grad_() for _ in range(2))
    assert_same(block, plain, block(x), plain.mask_and_output("", y)[1])
    torch.testing.assert_close(x.grad, y.grad)


def test_soft_mask() -> None:
    torch.manual_seed(0)
    block = lively(AttentionBlock(5)).eval()
    assert isinstance(block, AttentionBlock)
    x = noise(2, 5, 5, 9, 7)
    mask = block.mask(x)
    torch.testing.assert_close(mask, Plain(block).mask_and_output("", x)[0])
    assert mask.shape == x.shape
    assert 0 < mask.min() < mask.max() < 1


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("modality", "window", "blocks"),
    [
        ("rgb", (9, 8, 10), {}),
        ("flow", (8, 8, 9), {"residual_blocks": 3}),
        ("twin", (8, 9, 8), {}),
        ("twin", TINY, {"attention_blocks": 1}),
        ("twin", (9, 16, 8), {"attention_blocks": 3}),
    ],
)
def test_network(
    training: bool, modality: Modality, window: tuple[int, int, int], blocks: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    model = build_tstcnn(modality=modality, classes=4, window=window, **blocks)
    lively(model).train(training)
    plain = Plain(model)
    streams = {name: noise(4, channels, *window) for name, (channels, *_) in model.streams.items()}
    assert_same(model, plain, model(streams), plain.network(streams))


def test_channels_last_changes_nothing() -> None:
    torch.manual_seed(0)
    model = lively(build_tstcnn(modality="twin", classes=4, window=TINY, attention_blocks=2))
    streams = {"rgb": noise(4, 3, *TINY), "flow": noise(4, 2, *TINY)}
    plain = Plain(model)
    expected = plain.network(streams)
    model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    assert_same(model, plain, model(streams), expected)


def test_pooling_and_relu_commute() -> None:
    x, y = (noise(2, 3, 7, 8, 9).requires_grad_() for _ in range(2))
    first, second = F.relu(F.max_pool3d(x, 2)), F.max_pool3d(F.relu(y), 2)
    assert torch.equal(first, second)
    direction = noise(*first.shape, seed=2)
    first.backward(direction)
    second.backward(direction)
    assert x.grad is not None and y.grad is not None
    assert torch.equal(x.grad, y.grad)


# --- interpolation --------------------------------------------------------------------------------

lengths = st.tuples(*[st.integers(1, 9)] * 3)


@settings(max_examples=60, deadline=None)
@given(source=lengths, target=lengths, channels_last=st.booleans())
def test_upsampling_is_trilinear(
    source: tuple[int, int, int], target: tuple[int, int, int], channels_last: bool
) -> None:
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    x = noise(2, 3, *source).contiguous(memory_format=layout).requires_grad_()
    y = x.detach().clone().requires_grad_()
    actual = upsample_trilinear(x, target)
    expected = F.interpolate(y, target, mode="trilinear", align_corners=True)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    direction = noise(*expected.shape, seed=2)
    actual.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(x.grad, y.grad, rtol=0, atol=1e-12)


def test_upsampling_keeps_an_affine_ramp_and_its_type() -> None:
    def ramp(*size: int) -> Tensor:
        t, h, w = (torch.linspace(0, 1, n) for n in size)
        return (1 + 2 * t[:, None, None] - 3 * h[:, None] + 5 * w)[None, None]

    actual = upsample_trilinear(ramp(3, 4, 5), (7, 8, 6))
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, ramp(7, 8, 6), rtol=0, atol=2e-6)


# --- as a user meets it ---------------------------------------------------------------------------


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("window", [(8, 8, 8), (9, 15, 23), (24, 16, 17)])
@pytest.mark.parametrize("blocks", [{}, {"attention_blocks": 3}, {"residual_blocks": 2}])
def test_first_logits(
    modality: Modality, window: tuple[int, int, int], blocks: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    model = build_tstcnn(modality=modality, classes=21, window=window, **blocks)
    both = {"rgb": torch.rand(2, 3, *window), "flow": torch.randn(2, 2, *window).clamp(-1, 1)}
    logits = model(both)
    assert logits.shape == (2, 21)
    assert logits.isfinite().all()
    assert not torch.allclose(logits.exp().sum(1), torch.ones(2))  # no softmax yet


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("blocks", [{}, {"residual_blocks": 3}])
def test_training_starts_close_to_a_guess(modality: Modality, blocks: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = build_tstcnn(modality=modality, classes=21, window=(16, 32, 32), **blocks)
    both = {"rgb": torch.rand(8, 3, 16, 32, 32), "flow": torch.randn(8, 2, 16, 32, 32) / 4}
    logits = model(both)
    assert F.cross_entropy(logits, torch.arange(8)).item() < 2 * math.log(21)
    assert logits.std().item() > 0.1


def test_blocks_begin_as_the_identity_but_for_the_mask() -> None:
    model = build_tstcnn(modality="flow", classes=3, window=TINY, attention_blocks=1)
    (block,) = (layer for layer in model.modules() if isinstance(layer, AttentionBlock))
    x = torch.randn(2, 30, 4, 6, 5)
    torch.testing.assert_close(block(x), x * (1 + block.mask(x)))
    model = build_tstcnn(modality="flow", classes=3, window=TINY, residual_blocks=1)
    (residual,) = (layer for layer in model.modules() if isinstance(layer, ResidualBlock))
    assert torch.equal(residual(x), x)


def backward_nodes(output: Tensor) -> Iterator[str]:
    """Names of the operations that a gradient passes through."""
    nodes, seen = [output.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [following for following, _ in node.next_functions]
            yield node.name()


def test_same_bits_twice(deterministic: None) -> None:
    def gradients() -> list[Tensor]:
        torch.manual_seed(0)
        model = build_tstcnn(modality="twin", classes=5, window=TINY, attention_blocks=3)
        streams = {"rgb": torch.rand(2, 3, *TINY), "flow": torch.rand(2, 2, *TINY)}
        logits = model(streams)
        # CPUs cannot show what sums up in no fixed order on CUDA, but its name can.
        unordered = ("Upsample", "AvgPool", "Adaptive", "Reflection", "Replication", "GridSampler")
        names = list(backward_nodes(logits))
        assert "ConvolutionBackward0" in names
        assert not [name for name in names if any(part in name for part in unordered)]
        F.cross_entropy(logits, torch.tensor([1, 4])).backward()
        return [logits, *(p.grad for p in model.parameters() if p.grad is not None)]

    for first, second in zip(gradients(), gradients(), strict=True):
        assert torch.equal(first, second)


@pytest.fixture
def deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "pose"}, r"modality is 'pose'; it must be one of rgb, flow, twin"),
        ({"classes": 1}, r"classes is 1; it must be at least 2"),
        ({"window": (8, 7, 8)}, r"\(8, 7, 8\); each must be at least 8 to survive 3 poolings"),
        ({"attention_blocks": 4}, r"attention_blocks is 4; it must be from 0 to 3"),
        ({"residual_blocks": -1}, r"residual_blocks is -1; it must be from 0 to 3"),
        (
            {"attention_blocks": 2, "residual_blocks": 1},
            r"attention_blocks is 2 and residual_blocks is 1; one of them must be 0",
        ),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments = {"modality": "rgb", "classes": 3, "window": (8, 8, 8), **changes}
    with pytest.raises(ValueError, match=message):
        build_tstcnn(**arguments)


@pytest.mark.parametrize(
    ("streams", "found"),
    [
        ({"rgb": (1, 3, 8, 8, 8)}, "None"),
        ({"rgb": (1, 3, 8, 8, 8), "flow": (1, 3, 8, 8, 8)}, r"\(1, 3, 8, 8, 8\)"),
        ({"rgb": (1, 3, 8, 8, 8), "flow": (1, 2, 8, 8, 9)}, r"\(1, 2, 8, 8, 9\)"),
    ],
)
def test_other_streams_are_refused(streams: dict[str, tuple[int, ...]], found: str) -> None:
    model = build_tstcnn(modality="twin", classes=2, window=(8, 8, 8))
    message = rf"stream 'flow': expected shape \(N, 2, 8, 8, 8\), found {found}"
    with pytest.raises(ValueError, match=message):
        model({name: torch.zeros(shape) for name, shape in streams.items()})


def test_first_weights_follow_the_seed() -> None:
    def first_weight(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return next(build_tstcnn(modality="flow", classes=2, window=(8, 8, 8)).parameters())

    assert torch.equal(first_weight(1), first_weight(1))
    assert not torch.equal(first_weight(1), first_weight(2))
    # He: the variance is 2 divided by the 2 · 3³ values that each output sums over.
    assert math.isclose(first_weight(1).std().item(), math.sqrt(2 / 54), rel_tol=0.05)
