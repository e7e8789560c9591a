"""The built-in data set: rendered players whose motion, not their looks, tells the stroke."""

from twinstroke.synthesize.render import render_dataset

__all__ = ["render_dataset"]
