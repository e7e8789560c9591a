"""Which samples each split uses."""
