"""Strokes as tensors, cut around the region of interest."""
