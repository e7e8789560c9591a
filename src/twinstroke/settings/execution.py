"""How training is carried out: keys of ``params.yaml``."""

from __future__ import annotations

from typing import Literal

from twinstroke.settings.base import Positive, Section

Precision = Literal["float32", "bfloat16"]


class ExecutionSettings(Section):
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
