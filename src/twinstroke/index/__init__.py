"""From a folder of raw videos and annotations to the checked tables of videos and samples.

Frames are numbered in decoding order from 0, and ``end`` is exclusive: a stroke ``[begin, end)``
lasts ``end − begin`` frames. TTStroke-21 does not say which it is (published code reads it both
ways); its scoring fills ``[begin, end)``, and so do we, everywhere. Times in seconds become frames
by each video's own timestamps.
"""
