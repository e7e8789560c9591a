"""The TSTCNN family and I3D in PyTorch; importing nothing but torch, they can be used elsewhere.

Example: logits of a batch of two random windows of 24 frames of 48 × 48 pixels::

    model = build_tstcnn(modality="twin", classes=21, window=(24, 48, 48), attention_blocks=3)
    logits = model({"rgb": torch.rand(2, 3, 24, 48, 48), "flow": torch.randn(2, 2, 24, 48, 48)})
"""

from .blocks import AttentionBlock, ResidualBlock
from .i3d import I3D, LateFusion, build_i3d
from .interpolation import upsample_trilinear
from .network import Network
from .pooling import MaxPool3d
from .tstcnn import TSTCNN, build_tstcnn, convolutional_parameters

__all__ = [
    "I3D",
    "TSTCNN",
    "AttentionBlock",
    "LateFusion",
    "MaxPool3d",
    "Network",
    "ResidualBlock",
    "build_i3d",
    "build_tstcnn",
    "convolutional_parameters",
    "upsample_trilinear",
]
