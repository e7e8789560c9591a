"""Strokes in untrimmed videos: found, named, measured, and written for people and programs.

From top to bottom: `prepare` makes of a video what `segment` makes of strokes; `recogniser` shows
it to a network; `track` does so window by window and keeps what was said; `segments` turns that
into strokes. `video` is all of it for one video, `data_set` for the held-out ones, `videos` for
those that somebody names, `submission` for the MediaEval Sport Task; `score` measures afterwards.
"""
