"""One page that tells what was trained on what, and how good it is.

`page.write_report` fills the templates ``page.html`` and ``attention.html``.
"""
