"""Rows of the tables that `index` writes."""

from __future__ import annotations

from fractions import Fraction

from twinstroke.tables import Sample, Video


def video(name: str, path: str = "", frames: int = 100) -> Video:
    """One of 60 frames a second."""
    return Video(
        video=name,
        path=path or f"{name}.mp4",
        sha256="",
        frames=frames,
        fps=Fraction(60),
        width=160,
        height=90,
        variable_frame_rate=False,
    )


def sample(name: str, begin: int, end: int, split: str, label: str = "Serve") -> Sample:
    """A serve, or a negative that was mined."""
    return Sample.model_validate(
        {
            "sample": f"{name}:{begin}-{end}",
            "video": name,
            "begin": begin,
            "end": end,
            "label": label,
            "class_index": int(label == "Serve"),
            "split": split,
            "origin": "annotated" if label == "Serve" else "mined",
        }
    )
