"""Strokes in untrimmed videos: found, named, measured, and written for people and programs.

One video goes through these modules, which `video.detect` calls:

- `prepare` makes of a video what `segment` makes of strokes;
- `recogniser` shows windows to a network;
- `track` does so for the whole video, window by window, and keeps the probabilities in a file;
- `segments` turns probabilities into strokes;
- `written` writes them for people and programs, and `timing` says where the time went.

Which videos: `data_set` is for the held-out ones (the stage detect), `videos` for those that
somebody names (``twinstroke detect``), `submission` and `classify` for the MediaEval Sport Task
(``twinstroke submit``). `score` measures what was found (``twinstroke score``).
"""
