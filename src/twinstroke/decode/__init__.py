"""Frames that some sample needs, as exact RGB pixels."""
