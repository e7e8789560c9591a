"""Training of networks on the balanced samples of ``strokes.h5``."""
