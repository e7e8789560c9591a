"""What the pipeline's parts cost and how accurate they are, measured."""
