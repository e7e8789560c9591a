"""Is one network better than another? Both are compared on the same samples, pair by pair.

`pairs.compare` does it, with the tests in `statistics`. `markdown` writes the comparison as text,
and `curves` draws the learning curves. Which experiments are compared is the business of
`experiments.comparison`.
"""
