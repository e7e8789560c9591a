"""Videos that look otherwise than the rest of a set, and films that a camera cut into parts."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from twinstroke.findings import Findings, Place
from twinstroke.video.probe import Probe

_PART = re.compile(r"G(?P<kind>[XHL])(?P<part>\d\d)(?P<film>\d{4})", re.IGNORECASE)
"""Name of a part, without suffix, as GoPro cameras give it from HERO6 on: GX020001 follows
GX010001."""
_TO_SDR = "zscale=t=linear:npl=100,tonemap=hable,zscale=t=bt709:m=bt709:p=bt709:r=tv,format=yuv420p"
_KINDS: Mapping[str, tuple[Callable[[Probe], bool], str]] = {
    "HDR": (
        lambda probe: probe.hdr,
        f"their colours look pale beside the others'; convert them, with FFmpeg's filter {_TO_SDR}",
    ),
    "interlaced": (
        lambda probe: probe.interlaced,
        "flow sees combs in them alone; deinterlace them, with FFmpeg's filter "
        "bwdif=mode=send_frame",
    ),
    "upright": (
        lambda probe: probe.height > probe.width,
        "at one width players are larger in them; see that they are as large as in the others",
    ),
}
"""In which way videos may differ, and what follows."""


def check_alike(probes: Mapping[str, Probe], paths: Mapping[str, Path], findings: Findings) -> None:
    """Warn where some videos are of a kind of which others are not.

    Args:
        probes: What the videos hold of which samples are made, by id.
        paths: Their files.
        findings: Gets a warning for each kind.
    """
    for kind, (is_so, advice) in _KINDS.items():
        own = [video for video, probe in probes.items() if is_so(probe)]
        if own and len(own) < len(probes):
            findings.warning(
                "alike",
                Place(str(paths[own[0]])),
                f"{len(own)} of {len(probes)} videos are {kind}, this one among them",
                advice,
                video=own[0],
            )


def check_parts(paths: Mapping[str, Path], findings: Findings) -> None:
    """Warn of films that a camera cut into several files.

    Args:
        paths: All videos, by id.
        findings: Gets a warning for each film.
    """
    films: dict[tuple[Path, str], list[tuple[int, Path]]] = defaultdict(list)
    for path in paths.values():
        if named := _PART.fullmatch(path.stem):
            film = f"G{named['kind'].upper()}{named['film']}"
            films[path.parent, film].append((int(named["part"]), path))
    for (folder, film), own in films.items():
        parts = [path for _, path in sorted(own)]
        if len(parts) > 1:
            names = [path.name for path in parts]
            listed = " ".join(map(shlex.quote, names))
            whole = shlex.quote(f"{film}{parts[0].suffix}")
            findings.warning(
                "parts",
                Place(str(parts[0])),
                f"is the first of {len(parts)} parts of one film ({', '.join(names)}), each of "
                "which counts its frames anew",
                "if strokes cross from one to the next, or are counted in the whole, join them and "
                f"take the parts away: (cd {shlex.quote(str(folder))} && printf \"file '%s'\\n\" "
                f"{listed} > {film}.txt && ffmpeg -f concat -i {film}.txt -c copy {whole}; "
                f"rm {film}.txt)",
            )
