"""The frames that some sample needs, as exact RGB pixels.

`frames.decode_videos` does the work, `needed` says which frames a sample needs, and `stored` says
what ``frames/<video>.h5`` holds.
"""
