"""Max-pooling against torch's operator, element by element, with many equal values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from twinstroke.models import MaxPool3d
from twinstroke.models.pooling import Axes, Margins, same_padding, separable_max_pool


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def whole(low: int, high: int, *shape: int, seed: int = 1) -> Tensor:
    """Whole numbers from low to high: equal ones abound, and their sums are exact."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, shape, generator=generator).float()


def axes(low: int, high: int) -> st.SearchStrategy[Axes]:
    return st.tuples(*[st.integers(low, high)] * 3)


def half(kernel: Axes) -> Margins:
    t, h, w = (size // 2 for size in kernel)
    return (t, t), (h, h), (w, w)


def largest_of_torch(x: Tensor, kernel: Axes, stride: Axes, margins: Margins) -> Tensor:
    t, h, w = margins
    return F.max_pool3d(F.pad(x, (*w, *h, *t), value=-math.inf), kernel, stride)


@settings(max_examples=150, deadline=None)
@given(
    kernel=axes(1, 4),
    stride=axes(1, 3),
    more=axes(0, 6),
    padding=st.sampled_from(["none", "half", "same"]),
    largest=st.integers(0, 4),
    channels_last=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_separable_equals_torch(
    kernel: Axes,
    stride: Axes,
    more: Axes,
    padding: str,
    largest: int,
    channels_last: bool,
    seed: int,
) -> None:
    size = [k + m for k, m in zip(kernel, more, strict=True)]
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    values = whole(0, largest, 2, 3, *size, seed=seed).contiguous(memory_format=layout)
    x, y = (values.clone().requires_grad_() for _ in range(2))
    margins = {
        "none": ((0, 0), (0, 0), (0, 0)),
        "half": half(kernel),
        "same": same_padding(x, kernel, stride),
    }[padding]
    actual = separable_max_pool(x, kernel, stride, margins)
    expected = largest_of_torch(y, kernel, stride, margins)
    assert torch.equal(actual, expected)
    direction = whole(-9, 9, *expected.shape, seed=2)
    actual.backward(direction)
    expected.backward(direction)
    assert x.grad is not None and y.grad is not None
    assert torch.equal(x.grad, y.grad)


@settings(max_examples=60, deadline=None)
@given(size=axes(1, 9), kernel=axes(1, 4), stride=axes(1, 3), same=st.booleans())
def test_module_takes_the_same_elements_on_every_device(
    size: Axes, kernel: Axes, stride: Axes, same: bool
) -> None:
    size = (max(size[0], kernel[0]), max(size[1], kernel[1]), max(size[2], kernel[2]))
    t, h, w = kernel
    pool = MaxPool3d(kernel, stride=stride, padding="same" if same else (t // 2, h // 2, w // 2))
    x = whole(0, 3, 2, 3, *size).requires_grad_()
    y = x.detach().clone().requires_grad_()
    margins = same_padding(x, kernel, stride) if same else half(kernel)
    actual = pool(x)  # torch's operator on the CPU
    expected = separable_max_pool(y, kernel, stride, margins)  # as on any other device
    assert torch.equal(actual, expected)
    assert pool(x.detach().to("meta")).shape == expected.shape
    direction = whole(-9, 9, *expected.shape, seed=2)
    actual.backward(direction)
    expected.backward(direction)
    assert x.grad is not None and y.grad is not None
    assert torch.equal(x.grad, y.grad)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1)])
def test_pools_of_the_tstcnn_are_those_of_torch(kernel: int, stride: int, padding: int) -> None:
    x = torch.randn(2, 3, 7, 8, 9, generator=torch.Generator().manual_seed(0))
    expected = nn.MaxPool3d(kernel, stride=stride, padding=padding)(x)
    assert torch.equal(MaxPool3d(kernel, stride=stride, padding=padding)(x), expected)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        # Boxes of "SAME" padding by hand: values 1, 2, 3, … along one axis.
        (6, 3, 2, [3, 5, 6]),  # one position is missing: it comes after
        (5, 3, 2, [2, 4, 5]),  # two are missing: one on each side
        (5, 2, 2, [2, 4, 5]),
        (4, 2, 2, [2, 4]),
        (4, 3, 1, [2, 3, 4, 4]),
        (3, 2, 1, [2, 3, 3]),
        (5, 1, 2, [1, 3, 5]),
        (1, 3, 2, [1]),
    ],
)
@pytest.mark.parametrize("axis", [2, 3, 4])
def test_same_padding_by_hand(
    size: int, kernel: int, stride: int, expected: list[int], axis: int
) -> None:
    def along(length: int, other: int) -> Axes:
        t, h, w = (length if dim == axis else other for dim in (2, 3, 4))
        return t, h, w

    x = torch.arange(1.0, size + 1).reshape(1, 1, *along(size, 1))
    pool = MaxPool3d(along(kernel, 1), stride=along(stride, 1), padding="same")
    assert pool(x).flatten().tolist() == expected


@settings(max_examples=60, deadline=None)
@given(size=axes(1, 30), kernel=axes(1, 7), stride=axes(1, 4))
def test_same_padding_leaves_one_box_a_stride(size: Axes, kernel: Axes, stride: Axes) -> None:
    x = torch.empty(1, 1, *size, device="meta")
    for axis, (before, after) in enumerate(same_padding(x, kernel, stride)):
        boxes = (before + size[axis] + after - kernel[axis]) // stride[axis] + 1
        assert boxes == math.ceil(size[axis] / stride[axis])
        assert after - before in (0, 1)


def test_infinity_never_shows() -> None:
    x = -1 - torch.rand(1, 2, 5, 6, 7)
    for padding in (1, "same"):
        assert MaxPool3d(3, stride=2, padding=padding)(x).isfinite().all()


def test_nan_passes_on() -> None:
    x = whole(0, 2, 1, 2, 6, 6, 6)
    x[0, 0, 2, 3, 4] = x[0, 1, 1, 1, 1] = x[0, 1, 2, 2, 2] = math.nan
    kernel, stride, margins = (3, 3, 3), (2, 2, 2), ((1, 1), (1, 1), (1, 1))
    actual = separable_max_pool(x, kernel, stride, margins)
    expected = F.max_pool3d(x, kernel, stride, padding=1)
    assert actual.isnan().any()
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("margins", [((0, 0),) * 3, ((0, 1), (1, 1), (0, 1))])
def test_layout_in_memory_survives(margins: Margins) -> None:
    x = torch.rand(2, 3, 6, 6, 6).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    pooled = separable_max_pool(x, (3, 3, 3), (2, 2, 2), margins)
    assert pooled.is_contiguous(memory_format=torch.channels_last_3d)
    assert not pooled.is_contiguous()
    module = MaxPool3d(3, stride=2, padding="same")
    assert module(x).is_contiguous(memory_format=torch.channels_last_3d)


def test_other_devices_meet_no_pooling_operator() -> None:
    x = torch.empty(1, 2, 6, 6, 6, device="meta", requires_grad=True)
    nodes, names = [MaxPool3d(3, stride=2, padding="same")(x).grad_fn], []
    while nodes:
        node = nodes.pop()
        if node is not None:
            names.append(node.name())
            nodes += [following for following, _ in node.next_functions]
    assert "WhereBackward0" in names
    assert not [name for name in names if "Pool" in name]
