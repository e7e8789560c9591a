"""One page that tells what was trained on what, and how good it is."""
