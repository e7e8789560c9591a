"""The TSTCNN family in PyTorch; imports nothing but torch, so that it can be used elsewhere.

Example: logits of a batch of two random windows of 24 frames of 48 × 48 pixels::

    model = build_model(modality="twin", classes=21, window=(24, 48, 48), attention_blocks=3)
    logits = model({"rgb": torch.rand(2, 3, 24, 48, 48), "flow": torch.randn(2, 2, 24, 48, 48)})
"""

from .blocks import AttentionBlock, ResidualBlock
from .interpolation import upsample_trilinear
from .tstcnn import TSTCNN, build_model, convolutional_parameters

__all__ = [
    "TSTCNN",
    "AttentionBlock",
    "ResidualBlock",
    "build_model",
    "convolutional_parameters",
    "upsample_trilinear",
]
