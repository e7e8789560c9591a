"""Foreground, region of interest, and the scale of the flow.

`motion.describe_motion` does the work for each video, with `mask` for the foreground and `roi` for
the region of interest. `statistics.flow_statistics` measures the scale, on the training split
alone. `stored` says what ``motion/<video>.h5`` and ``statistics.json`` hold.
"""
