"""The estimators of OpenCV, with OpenCV's own default parameters.

The paper cites an estimator ambiguously, the authors' code uses DeepFlow: so it is a parameter.
Cost of one pair at 320×180 on one core: DeepFlow about 0.3 s, Farnebäck 0.04 s, DIS 0.01 s, TV-L1
0.9 s. Their bits differ between OpenCV versions, hence the exact pin and the fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from twinstroke.settings.flow import Estimator, FlowSettings

_CREATE: dict[Estimator, Callable[[], cv2.DenseOpticalFlow]] = {
    "deepflow": lambda: cv2.optflow.createOptFlow_DeepFlow(),
    "farneback": lambda: cv2.FarnebackOpticalFlow.create(),
    "dis": lambda: cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM),
    "tvl1": lambda: cv2.optflow.DualTVL1OpticalFlow.create(),
}


def estimate_flow(
    first: NDArray[np.uint8], second: NDArray[np.uint8], settings: FlowSettings
) -> NDArray[np.float32]:
    """Motion from one grey frame to another.

    Args:
        first: uint8 (H, W).
        second: uint8 (H, W), the later frame.
        settings: Estimator and blur (the authors blur by 3×3 before masking).

    Returns:
        float32 (H, W, 2): (u, v) in pixels, x to the right, y down.
    """
    # A new estimator for each pair: some keep state, and results must not depend on what was
    # computed before.
    flow = _CREATE[settings.estimator]().calc(first, second, None)  # type: ignore[call-overload]
    if settings.blur:
        flow = cv2.GaussianBlur(flow, (settings.blur, settings.blur), 0)
    return np.asarray(flow, np.float32)
