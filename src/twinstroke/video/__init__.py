"""Videos, read by FFmpeg within limits: what they hold, exact frames, and when each is shown.

`ffmpeg` runs the program, `probe` and `checks` look at a video, `clock` knows when frames are
shown, `seek` and `entry` find exact frames from the nearest key frame on, `encode` writes.
"""
