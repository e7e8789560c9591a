"""How films are encoded: H.264 in MP4 that browsers play, the same bytes for the same frames."""

from __future__ import annotations

from collections.abc import Mapping

REMOVE_SEI = "filter_units=remove_types=6"
"""x264 writes its version and settings into the stream as an SEI unit (type 6)."""

BROWSER_MP4: Mapping[str, str | int] = {
    "format": "mp4",
    "vcodec": "libx264",
    "pix_fmt": "yuv420p",
    "preset": "medium",
    "crf": 23,
    # With several, the bytes would depend on how many there are.
    "threads": 1,
    "flags": "+bitexact",
    "fflags": "+bitexact",
    # A browser can begin before it has the end.
    "movflags": "+faststart",
    "map_metadata": -1,
    "bsf:v": REMOVE_SEI,
}
"""Options of FFmpeg's output, for frames whose sides are even."""
