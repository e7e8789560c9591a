"""What the tests of training share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A training in the process of the tests may set their number, which decides bits."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
