"""How good a trained network is on every split: predictions, figures, and pictures of both."""
