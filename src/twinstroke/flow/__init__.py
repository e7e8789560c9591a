"""Dense optical flow between neighbouring kept frames."""
