"""One HTML page beside a video: its strokes on a timeline, to watch and to correct.

`page.write_viewer` fills ``viewer.html``, ``viewer.css`` and ``viewer.js``; `beside` makes the page
for ``twinstroke view``, without a network.
"""
