"""Is one network better than another? Paired comparison on the same samples."""
