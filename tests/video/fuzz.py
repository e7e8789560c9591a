"""Random videos, as FFmpeg can write them: ``python -m tests.video.fuzz [number [seed]]``.

Each is probed and decoded as the stages do it, every n-th frame or those nearest to the times of a
rate. Every stored frame must be that of a plain decode from beginning to end, by FFmpeg alone; or
there is an error that names the video. Prints how many ended how, and the seed of each that went
wrong; those that do not decode as a whole cannot be compared, and some FFmpeg refuses to write. A
few of them are a test of the suite.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import imageio_ffmpeg
import numpy as np

from tests.decoding import decode_one
from tests.rows import sample
from tests.videos import Frames
from twinstroke.errors import UserError
from twinstroke.index.videos import footage_of
from twinstroke.settings.decode import DecodeSettings
from twinstroke.video.probe import probe_video

CODECS = {
    "libx264": ("mp4", "mov", "mkv", "avi", "3gp"),
    "libx265": ("mp4", "mkv"),
    "mpeg4": ("mp4", "avi", "mkv"),
    "libvpx": ("webm",),
    "libvpx-vp9": ("webm", "mp4"),
    "mjpeg": ("mov", "avi"),
}
MORE = {
    "libx264": ("-pix_fmt", "yuv420p"),
    "libx265": ("-x265-params", "log-level=none"),
    "libvpx": ("-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k"),
    "libvpx-vp9": ("-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k"),
    "mjpeg": ("-strict", "unofficial"),
}
_RATES = ["30", "30000/1001", "25", "60", "120"]
PICTURES = ("-f", "lavfi", "-i")
KEPT = 48
"""Width of kept frames, in px."""
Outcome = Literal["same", "refused", "not whole", "not made", "WRONG"]


def main() -> int:
    """Try as many videos as was asked for; 1 if frames of one are others, and nothing is said."""
    parser = argparse.ArgumentParser("python -m tests.video.fuzz", description=__doc__)
    parser.add_argument("number", nargs="?", type=int, default=200)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.number):
        with TemporaryDirectory() as folder:
            outcome, choices = tried(Path(folder), seed)
        outcomes[outcome] += 1
        if outcome == "WRONG":
            print(f"seed {seed}: {choices}")
    print(", ".join(f"{outcomes[outcome]} {outcome}" for outcome in get_args(Outcome)))
    return 1 if outcomes["WRONG"] else 0


def tried(folder: Path, seed: int) -> tuple[Outcome, str]:
    """Make a video, decode it, and say how that ended, and of what the video was made."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    try:
        path, choices = _written(folder, chance)
    except subprocess.CalledProcessError:
        return "not made", ""  # a copy that FFmpeg refuses, as of what has no key frame left
    rate: float | Literal["video"] = chance.choice(["video", 7.5, 10, 24])
    choices += f" decode.rate {rate}"
    try:
        probe = probe_video(path)
        # Where the container knows no times of frames, nobody can tell which are the nearest.
        rate = rate if probe.timed else "video"
        step = 1 if rate != "video" else chance.choice([1, 1, 3])
        decode = DecodeSettings(width=KEPT, frame_step=step, rate=rate)
        count = len(footage_of(probe, decode).counted)
        starts = sorted(chance.randrange(max(1, count - 6)) for _ in range(3))
        samples = [sample(start, start + 5, path.stem) for start in starts]
        found, numbers = decode_one(
            path,
            count,
            samples,
            step=step,
            rate=rate,
            width=probe.width,
            height=probe.height,
            kept_width=KEPT,
            window=4,
        )
    except UserError as error:
        assert str(error).startswith(str(folder)), error
        return "refused", choices
    number = probe.streams[0].number
    full, times = _full(path, number, found.shape[1], shrinks=probe.width >= KEPT)
    if len(full) != probe.frames:
        # A joined part whose parameters are lost: plain decoding no longer tells which frame is
        # which.
        return "not whole", choices
    if rate != "video":
        grid = [times[0] + k / Fraction(rate) for k in numbers.tolist()]
        numbers = np.array([_nearest(times, time) for time in grid])
    return "same" if np.array_equal(found, full[numbers]) else "WRONG", choices


def _nearest(times: list[Fraction], time: Fraction) -> int:
    """Of the frames whose beginning is nearest to a time, the last."""
    distances = [abs(own - time) for own in times]
    return max(n for n, distance in enumerate(distances) if distance == min(distances))


def _full(path: Path, stream: int, height: int, *, shrinks: bool) -> tuple[Frames, list[Fraction]]:
    """All frames, and when they begin, in seconds."""
    flags = f"{'area' if shrinks else 'bicubic'}+accurate_rnd+full_chroma_int+bitexact"
    # Filters that are made anew midway convert colours twice; a test of joined videos decodes each
    # part alone instead.
    input_options = ["-threads", "1", "-reinit_filter", "0", "-i", path]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "info", "-nostats", *input_options]
    filters = f"showinfo=checksum=0,scale={KEPT}:{height}:flags={flags}"
    scale = ["-map", f"0:{stream}", "-vf", filters]
    plain = ["-fps_mode", "passthrough", "-pix_fmt", "gbrp", "-f", "rawvideo", "-"]
    # Where a joined part does not decode, FFmpeg goes on, and fails at last.
    done = subprocess.run([*command, *scale, *plain], capture_output=True, check=False)
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, 3, height, KEPT)
    log = done.stderr.decode(errors="replace")
    base = re.search(r"config in time_base: (\d+)/(\d+)", log)
    second = Fraction(int(base[2]), int(base[1])) if base else Fraction(1)
    times = [int(ticks) / second for ticks in re.findall(r" n: *\d+ pts: *(-?\d+) ", log)]
    return frames[:, [2, 0, 1]].transpose(0, 2, 3, 1), times


def _written(folder: Path, chance: random.Random) -> tuple[Path, str]:
    """Write a video, and say of what it is made."""
    codec = chance.choice([*CODECS])
    suffix = chance.choice(CODECS[codec])
    options = ["-c:v", codec, "-g", chance.choice(["1", "5", "12", "40"]), *MORE.get(codec, ())]
    if codec in ("libx264", "libx265", "mpeg4"):
        options += ["-bf", chance.choice(["0", "2"])]
    choices = [suffix, *options]
    parts = []
    # What turns and changes midway, not even the plain decode gives rightly.
    turns = chance.random() < 0.25
    own: list[str] = []
    for number in range(chance.choice([1, 1, 2, 3])):
        if not own or not turns:
            # FFmpeg's decoder of MJPEG keeps the range of the first frame that it sees.
            own = _pictures(chance, ["tv"] if codec == "mjpeg" else ["tv", "tv", "pc"])
        choices += own
        parts.append(folder / f"part{number}.{suffix}")
        _ffmpeg(*own, *options, parts[-1])
    path = parts[0]
    if len(parts) > 1:
        order = folder / "parts.txt"
        order.write_text("".join(f"file '{part.name}'\n" for part in parts), encoding="utf-8")
        path = _copied(path, "joined", ["-f", "concat"], order)
    for change, wanted in (
        (["-display_rotation", chance.choice(["90", "180", "270"])], turns),
        (["-ss", chance.choice(["0.13", "0.5"])], chance.random() < 0.25),
        (["-itsoffset", chance.choice(["1.3", "-0.2"])], chance.random() < 0.25),
    ):
        if wanted:
            choices += change
            path = _copied(path, change[0][1:], change, path)
    if chance.random() < 0.2:
        choices.append("two streams")
        second = folder / f"second.{suffix}"
        _ffmpeg(*PICTURES, "testsrc2=size=128x96:rate=30:duration=0.5", *options, second)
        both = folder / f"both.{suffix}"
        _ffmpeg("-i", path, "-i", second, "-map", "0", "-map", "1", "-c", "copy", both)
        path = both
    if chance.random() < 0.15:
        content = bytearray(path.read_bytes())
        place = chance.randrange(len(content) // 4, len(content))
        content[place : place + 60] = chance.randbytes(len(content[place : place + 60]))
        choices.append(f"damage at {place}")
        path = path.with_stem("damaged")
        path.write_bytes(content)
    return path, " ".join(choices)


def _pictures(chance: random.Random, ranges: list[str]) -> list[str]:
    """Moving pictures of one size, rate and colour range, as an input of FFmpeg."""
    size, rate = chance.choice(["64x48", "96x54", "48x64"]), chance.choice(_RATES)
    source = f"testsrc2=size={size}:rate={rate}:duration={chance.choice(['0.7', '1.6'])}"
    filters = [f"setsar={chance.choice(['1', '1', '4/3'])}"]
    if chance.random() < 0.3:
        filters.append(f"select=gt(random({chance.randrange(9)})\\,0.4)")
    tones = chance.choice(ranges)
    filters.append(f"scale=out_range={tones}")
    shades = ["-vf", ",".join(filters), "-color_range", tones, "-colorspace", "bt709"]
    return [*PICTURES, source, *shades, "-fps_mode", "vfr"]


def _copied(path: Path, name: str, change: list[str], source: Path) -> Path:
    copy = path.with_stem(name)
    _ffmpeg(*change, "-i", source, "-map", "0", "-c", "copy", copy)
    return copy


def _ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
