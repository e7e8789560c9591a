"""One HTML page beside a video: its strokes on a timeline, to watch and to correct."""
