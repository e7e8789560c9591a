"""I3D against its published numbers of parameters and a plain re-statement of its layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinstroke.models import I3D, LateFusion, MaxPool3d, build_i3d

Modality = Literal["rgb", "flow", "twin"]
CHANNELS = {"rgb": 3, "flow": 2}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def both(batch: int, window: Sequence[int], **options: Any) -> dict[str, Tensor]:
    return {name: torch.rand(batch, c, *window, **options) for name, c in CHANNELS.items()}


# --- numbers of parameters and sizes --------------------------------------------------------------


@pytest.mark.parametrize(
    ("modality", "classes", "expected"),
    [
        ("rgb", 21, 12_308_789),
        ("flow", 21, 12_286_837),
        ("twin", 21, 24_595_626),
        ("rgb", 400, 12_697_264),
        ("flow", 400, 12_675_312),
    ],
)
def test_published_numbers_of_parameters(modality: Modality, classes: int, expected: int) -> None:
    with torch.device("meta"):  # counts without taking memory
        model = build_i3d(modality=modality, classes=classes, window=(64, 224, 224))
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((1, 1, 1), (1, 1, 1)),
        ((8, 8, 8), (1, 1, 1)),
        ((8, 24, 24), (1, 1, 1)),
        ((24, 48, 48), (3, 2, 2)),
        ((100, 112, 112), (13, 4, 4)),
        ((100, 120, 120), (13, 4, 4)),
        ((64, 224, 224), (8, 7, 7)),
        ((100, 224, 224), (13, 7, 7)),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_sizes(
    window: tuple[int, int, int], expected: tuple[int, int, int], training: bool
) -> None:
    with torch.device("meta"):
        model = build_i3d(modality="rgb", classes=21, window=window).train(training)
        assert isinstance(model, I3D)
        streams = both(2, window)
        assert model.trunk(streams["rgb"]).shape == (2, 1024, *expected)
        assert model(streams).shape == (2, 21)


@pytest.mark.parametrize("modality", ["rgb", "flow", "twin"])
@pytest.mark.parametrize("window", [(8, 8, 8), (8, 24, 24), (24, 48, 48)])
def test_first_logits(modality: Modality, window: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    logits = build_i3d(modality=modality, classes=21, window=window)(both(2, window))
    assert logits.shape == (2, 21)
    assert logits.isfinite().all()
    assert not torch.allclose(logits.exp().sum(1), torch.ones(2))  # no softmax yet


# --- a re-statement over named tensors ------------------------------------------------------------


class Plain:
    """I3D as plain functions of the tensors of a state dict, from the table of its layers."""

    def __init__(self, model: I3D) -> None:
        self.training = model.training
        self.tensors = {name: t.detach().clone() for name, t in model.state_dict().items()}
        for name, _ in model.named_parameters():
            self.tensors[name].requires_grad_()

    def same(self, x: Tensor, kernel: Sequence[int], stride: Sequence[int], value: float) -> Tensor:
        around: list[int] = []
        for n, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
            total = max((math.ceil(n / s) - 1) * s + k - n, 0)
            around += [total // 2, total - total // 2]
        return F.pad(x, around, value=value)

    def unit(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        t = self.tensors
        kernel = t[f"{name}.conv.weight"]
        x = F.conv3d(self.same(x, kernel.shape[2:], [stride] * 3, 0), kernel, stride=stride)
        statistics = t[f"{name}.norm.running_mean"], t[f"{name}.norm.running_var"]
        scale = t[f"{name}.norm.weight"], t[f"{name}.norm.bias"]
        return F.batch_norm(
            x, *statistics, *scale, training=self.training, momentum=0.1, eps=1e-3
        ).relu()

    def pool(self, x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
        # Zeros instead of -inf, as the common port of I3D has it: the same behind a ReLU.
        return F.max_pool3d(self.same(x, kernel, stride, 0), list(kernel), list(stride))

    def mixed(self, name: str, x: Tensor) -> Tensor:
        name = f"trunk.mixed_{name}.branches"
        return torch.cat(
            [
                self.unit(f"{name}.0", x),
                self.unit(f"{name}.1.1", self.unit(f"{name}.1.0", x)),
                self.unit(f"{name}.2.1", self.unit(f"{name}.2.0", x)),
                self.unit(f"{name}.3.1", self.pool(x, (3, 3, 3), (1, 1, 1))),
            ],
            dim=1,
        )

    def network(self, x: Tensor) -> Tensor:
        x = self.unit("trunk.conv_1a", x, stride=2)
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = self.unit("trunk.conv_2c", self.unit("trunk.conv_2b", x))
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = self.mixed("3c", self.mixed("3b", x))
        x = self.pool(x, (3, 3, 3), (2, 2, 2))
        for name in ("4b", "4c", "4d", "4e", "4f"):
            x = self.mixed(name, x)
        x = self.pool(x, (2, 2, 2), (2, 2, 2))
        x = self.mixed("5c", self.mixed("5b", x))
        frames, height, width = x.shape[2:]
        x = F.avg_pool3d(x, (min(frames, 2), height, width), stride=1)
        x = F.conv3d(x, self.tensors["to_logits.weight"], self.tensors["to_logits.bias"])
        return x.flatten(2).mean(2)


def lively(model: nn.Module) -> nn.Module:
    """Float64; normalisations and biases that are not the identity they start as."""
    generator = torch.Generator().manual_seed(7)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm3d):
            assert layer.running_mean is not None and layer.running_var is not None
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(layer.bias, -0.5, 0.5, generator=generator)
            nn.init.uniform_(layer.running_mean, -0.5, 0.5, generator=generator)
            nn.init.uniform_(layer.running_var, 0.5, 1.5, generator=generator)
        if isinstance(layer, nn.Conv3d) and layer.bias is not None:
            nn.init.uniform_(layer.bias, -0.5, 0.5, generator=generator)
    return model.double()


@pytest.mark.parametrize(
    ("modality", "window", "training", "channels_last"),
    [
        ("rgb", (8, 8, 8), False, False),
        ("rgb", (9, 33, 24), True, False),
        ("flow", (17, 24, 15), True, True),
        ("flow", (24, 34, 8), False, True),
    ],
)
def test_network(
    modality: Modality, window: tuple[int, int, int], training: bool, channels_last: bool
) -> None:
    torch.manual_seed(0)
    model = build_i3d(modality=modality, classes=4, window=window)
    assert isinstance(model, I3D)
    model.dropout.p = 0.0  # else nothing to compare with
    lively(model).train(training)
    plain = Plain(model)
    if channels_last:
        model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    x, y = (noise(3, CHANNELS[modality], *window).requires_grad_() for _ in range(2))
    actual, expected = model({modality: x}), plain.network(y)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    direction = noise(*expected.shape, seed=3)
    actual.backward(direction)
    expected.backward(direction)
    gradients = {name: p.grad for name, p in model.named_parameters()} | {"": x.grad}
    plain_gradients = {name: t.grad for name, t in plain.tensors.items()} | {"": y.grad}
    for name, gradient in gradients.items():
        plain_gradient = plain_gradients[name]
        assert gradient is not None and plain_gradient is not None, name
        # Normalising few values amplifies rounding; a wrong layer is wrong in the first digit.
        error = (gradient - plain_gradient).abs().max()
        assert error <= 1e-5 * plain_gradient.abs().max() + 1e-9, name
    for name, buffer in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(buffer, plain.tensors[name], msg=name)


def test_neighbouring_times_are_averaged() -> None:
    """A clip twice as long weighs its ends half, as pooling 2 frames at stride 1 does."""
    model = build_i3d(modality="flow", classes=3, window=(24, 8, 8))
    assert isinstance(model, I3D)
    times = noise(2, 1024, 3, 1, 1).float()
    model.trunk = nn.Sequential(Constant(times))
    logits = model.eval()(both(2, (24, 8, 8)))
    weights = torch.tensor([0.25, 0.5, 0.25])
    features = (times[..., 0, 0] * weights).sum(2)
    expected = features @ model.to_logits.weight.flatten(1).T
    torch.testing.assert_close(logits, expected)


class Constant(nn.Module):
    """The same features whatever it sees."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return self.value


# --- training -------------------------------------------------------------------------------------


def test_dropout_is_of_training_only() -> None:
    torch.manual_seed(0)
    window = (8, 8, 8)
    model = build_i3d(modality="rgb", classes=5, window=window)
    assert isinstance(model, I3D)
    features = torch.ones(2, 1024, 1, 1, 1)
    model.trunk = nn.Sequential(Constant(features))
    nn.init.constant_(model.to_logits.weight, 1 / 1024)
    streams = both(2, window)
    assert torch.equal(model.eval()(streams), torch.ones(2, 5))
    # Every second feature is left out, and the others count twice.
    kept = model.train()(streams) * 1024 / 2
    assert torch.allclose(kept, kept.round(), atol=1e-2)
    assert ((kept - 512).abs() < 5 * 16).all()  # five standard deviations of Binomial(1024, 1/2)
    assert not torch.equal(model(streams), model(streams))


def test_training_starts_close_to_a_guess_and_learns() -> None:
    torch.manual_seed(0)
    window = (8, 24, 24)
    model = build_i3d(modality="rgb", classes=21, window=window)
    streams, target = both(4, window), torch.arange(4)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(10):  # enough to learn four windows by heart
        loss = F.cross_entropy(model(streams), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] < 2 * math.log(21)
    assert losses[-1] < 0.5


def test_weights_keep_the_size_of_their_input() -> None:
    torch.manual_seed(0)
    model = build_i3d(modality="rgb", classes=21, window=(8, 8, 8))
    assert isinstance(model, I3D)
    convolutions = [layer for layer in model.trunk.modules() if isinstance(layer, nn.Conv3d)]
    assert len(convolutions) == 57
    for layer in convolutions:
        fan_in = layer.weight[0].numel()
        assert math.isclose(layer.weight.std().item(), math.sqrt(2 / fan_in), rel_tol=0.1)
        assert layer.bias is None
    assert math.isclose(model.to_logits.weight.std().item(), math.sqrt(1 / 1024), rel_tol=0.05)
    assert model.to_logits.bias is not None and not model.to_logits.bias.any()


def test_first_weights_follow_the_seed() -> None:
    def first_weight(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return next(build_i3d(modality="flow", classes=2, window=(8, 8, 8)).parameters())

    assert torch.equal(first_weight(1), first_weight(1))
    assert not torch.equal(first_weight(1), first_weight(2))


def test_no_gradient_without_an_order() -> None:
    """CPUs cannot show what sums up in no fixed order on CUDA, but its name can."""
    window = (24, 48, 48)
    with torch.device("meta"):  # takes the way of any device but the CPU
        output = build_i3d(modality="twin", classes=3, window=window)(both(2, window))
    nodes, seen = [output.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [following for following, _ in node.next_functions]
    names = {node.name() for node in seen}
    unordered = (
        "Pool",
        "Upsample",
        "Adaptive",
        "Reflection",
        "Replication",
        "GridSampler",
        "Index",
    )
    assert "ConvolutionBackward0" in names
    assert not [name for name in names if any(part in name for part in unordered)]


def test_same_bits_twice() -> None:
    def gradients() -> list[Tensor]:
        torch.manual_seed(0)
        model = build_i3d(modality="rgb", classes=5, window=(8, 16, 16))
        logits = model(both(2, (8, 16, 16)))
        F.cross_entropy(logits, torch.tensor([1, 4])).backward()
        return [logits, *(p.grad for p in model.parameters() if p.grad is not None)]

    for first, second in zip(gradients(), gradients(), strict=True):
        assert torch.equal(first, second)


# --- fusion and mistakes --------------------------------------------------------------------------


def test_late_fusion_adds_the_logits_of_networks_trained_apart() -> None:
    torch.manual_seed(0)
    window = (8, 16, 16)
    single = {
        name: build_i3d(modality=name, classes=3, window=window).eval() for name in ("rgb", "flow")
    }
    fused = build_i3d(modality="twin", classes=3, window=window).eval()
    assert isinstance(fused, LateFusion)
    assert fused.streams == {"rgb": (3, *window), "flow": (2, *window)}
    for name, network in single.items():
        assert network.streams == {name: fused.streams[name]}
        fused.networks[name].load_state_dict(network.state_dict())
    streams = both(2, window)
    expected = single["rgb"](streams) + single["flow"](streams)
    assert torch.equal(fused(streams), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "pose"}, r"modality is 'pose'; it must be one of rgb, flow, twin"),
        ({"classes": 1}, r"classes is 1; it must be at least 2"),
        ({"window": (8, 0, 8)}, r"window \(T, H, W\) is \(8, 0, 8\); each must be at least 1"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments = {"modality": "rgb", "classes": 3, "window": (8, 8, 8), **changes}
    with pytest.raises(ValueError, match=message):
        build_i3d(**arguments)


@pytest.mark.parametrize(
    ("streams", "found"),
    [
        ({"rgb": (1, 3, 8, 8, 8)}, "None"),
        ({"rgb": (1, 3, 8, 8, 8), "flow": (1, 3, 8, 8, 8)}, r"\(1, 3, 8, 8, 8\)"),
        ({"rgb": (1, 3, 8, 8, 8), "flow": (1, 2, 8, 8, 9)}, r"\(1, 2, 8, 8, 9\)"),
    ],
)
def test_other_streams_are_refused(streams: dict[str, tuple[int, ...]], found: str) -> None:
    with torch.device("meta"):
        model = build_i3d(modality="twin", classes=2, window=(8, 8, 8)).eval()
        message = rf"stream 'flow': expected shape \(N, 2, 8, 8, 8\), found {found}"
        with pytest.raises(ValueError, match=message):
            model({name: torch.zeros(shape) for name, shape in streams.items()})


def test_poolings_pad_as_in_tensorflow() -> None:
    model = build_i3d(modality="rgb", classes=2, window=(8, 8, 8))
    pools = [layer for layer in model.modules() if isinstance(layer, MaxPool3d)]
    assert len(pools) == 4 + 9
    assert {pool.padding for pool in pools} == {"same"}
