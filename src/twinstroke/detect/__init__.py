"""Strokes in untrimmed videos: found, named, measured, and written for people and programs.

One video goes through these modules, which `found.detect` calls:

- `shown` says how a video gives its frames: `untrimmed` reads what the stages prepared, and `video`
  opens any other file, of which `prepare` makes the same while it is decoded;
- `recogniser` shows windows to a network;
- `track` does so for the whole video, window by window, and keeps the probabilities in a file;
- `segments` turns probabilities into strokes;
- `written` writes them for people and programs, and `timing` says where the time went.

Which videos: `data_set` is for the held-out ones (the stage detect), `videos` for those that
somebody names (``twinstroke detect``), `submission` and `classify` for the MediaEval Sport Task
(``twinstroke submit``). `score` measures what was found (``twinstroke score``).
"""
