"""One page that shows all pictures, the worst first; it needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from twinstroke.inspection.measure import SampleRow, VideoRow

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 1em; }}
img {{ max-width: 100%; border: 1px solid #999; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: 0.2em 0.6em; border-bottom: 1px solid #ccc; text-align: left; }}
</style>
<h1>{title}</h1>
<p>The worst come first. <b>Suspicion</b> is the share of what moves that lies outside the network's
window: each pixel of the foreground counts by how far it moves, and frames in which nothing moves
are left out. 0 % means that the window holds all that moves, 100 % that it misses everything.</p>
"""


def page(
    preset: str,
    videos: Sequence[tuple[VideoRow, str]],
    samples: Sequence[tuple[SampleRow, str]],
    others: Sequence[SampleRow],
) -> str:
    """Write the page.

    Args:
        preset: For the title.
        videos: Rows, and paths of their pictures relative to the page, worst first.
        samples: The samples that were drawn, likewise.
        others: Suspicious samples that were not drawn, worst first.
    """
    parts = [HEAD.format(title=f"Inspection of {escape(preset)}"), "<h2>Samples</h2>\n"]
    parts += [
        _picture(f"{row.sample}: {row.label} ({row.split})", row, path) for row, path in samples
    ]
    if others:
        parts.append("<h2>Other samples to look at</h2>\n")
        parts.append("<p>Draw them with <code>twinstroke inspect …</code>.</p>\n<table>\n")
        parts.append("<tr><th>sample<th>label<th>suspicion<th>why\n")
        parts += [
            f"<tr><td>{escape(row.sample)}<td>{escape(row.label)}<td>{row.motion_outside:.0%}"
            f"<td>{escape(row.why)}\n"
            for row in others
        ]
        parts.append("</table>\n")
    parts.append("<h2>Videos</h2>\n")
    parts += [_picture(row.video, row, path) for row, path in videos]
    return "".join(parts)


def _picture(heading: str, row: VideoRow | SampleRow, path: str) -> str:
    why = f": {escape(row.why)}" if row.why else ""
    return (
        f"<h3>{escape(heading)}</h3>\n<p>Suspicion {row.motion_outside:.0%}{why}</p>\n"
        f'<a href="{quote(path)}"><img loading="lazy" src="{quote(path)}" '
        f'alt="{escape(heading)}"></a>\n'
    )
