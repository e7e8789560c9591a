"""Foreground, region of interest, and the scale of the flow."""
