"""Strokes in untrimmed videos: found, named, measured, and written for people and programs."""
