"""FFmpeg is ended when it gives nothing, and what it says is not kept without end."""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.videos import distinct_frames, write_video
from twinstroke.errors import UserError
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.limits import Limits
from twinstroke.video.checks import check_decoding
from twinstroke.video.ffmpeg import Report, read_packets, video_stream
from twinstroke.video.probe import probe_video

SHORT = Limits(timeout_s=0.5)
LINE = "0, 0, 0, 1, 9, 0xaa\\n"


def _put_in_place_of_ffmpeg(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> Path:
    """A video, and a program that pretends to read it."""
    script = folder / "ffmpeg"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, sys, time\n"
        "from pathlib import Path\n"
        f"Path({str(folder / 'pid')!r}).write_text(str(os.getpid()))\n"
        "def say(text): print(text, end='', flush=True)\n"
        f"{program}\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(script))
    (folder / "v.mp4").write_bytes(bytes(10_000))
    return folder / "v.mp4"


def _is_running(folder: Path) -> bool:
    return Path("/proc", (folder / "pid").read_text()).exists()


@pytest.mark.parametrize(
    "program",
    [
        "time.sleep(60)",
        f"say('{LINE}'); time.sleep(60)",
        # Messages are no progress.
        "while True: print('[error] no', file=sys.stderr, flush=True); time.sleep(0.05)",
        # The pipes are closed, but it does not end.
        f"say('{LINE}'); os.close(1); os.close(2); time.sleep(60)",
    ],
    ids=["silent", "stops", "complains", "does not end"],
)
def test_ffmpeg_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    path = _put_in_place_of_ffmpeg(monkeypatch, tmp_path, program)
    begin = time.monotonic()
    with pytest.raises(UserError) as caught:
        read_packets(path, SHORT)
    assert str(caught.value) == (
        f"{path}: FFmpeg gave nothing for 0.5 s and was ended; "
        "copy the video again, re-encode it, or raise decode.timeout_s"
    )
    assert time.monotonic() - begin < 20
    assert not _is_running(tmp_path)
    with pytest.raises(UserError, match="FFmpeg gave nothing"):
        probe_video(path, SHORT)


def test_slow_but_steady_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "say('#tb 0: 1/10\\n')\n"
        "for n in range(6): say(f'0, {n}, {n}, 1, 9, 0xaa\\n'); time.sleep(0.2)"
    )
    path = _put_in_place_of_ffmpeg(monkeypatch, tmp_path, program)
    assert list(read_packets(path, Limits(timeout_s=1)).pts) == [*range(6)]


def test_a_reader_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"say('{LINE}'); time.sleep(0.3); say('{LINE}')"
    path = _put_in_place_of_ffmpeg(monkeypatch, tmp_path, program)
    count = 0
    for _ in Report(path, video_stream(path, SHORT), SHORT):
        time.sleep(0.7)
        count += 1
    assert count == 2


def test_a_reader_may_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _put_in_place_of_ffmpeg(monkeypatch, tmp_path, f"while True: say('{LINE}')")
    for _ in Report(path, video_stream(path, SHORT), SHORT):
        break
    assert not _is_running(tmp_path)


def test_messages_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "print('[error] the first one', file=sys.stderr)\n"
        "for _ in range(3000): print('x' * 10_000, file=sys.stderr)\n"
        "sys.exit(1)"
    )
    path = _put_in_place_of_ffmpeg(monkeypatch, tmp_path, program)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"cannot read the video \(the first one\)"):
        read_packets(path, Limits())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6


def test_largest_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(20, 32, 64))
    assert probe_video(path, Limits(max_pixels=32 * 64)).frames == 20
    with pytest.raises(UserError) as caught:
        probe_video(path, Limits(max_pixels=32 * 64 - 1))
    assert str(caught.value) == (
        f"{path}: its frames are larger than decode.max_pixels (2,047); "
        "raise that, or make the video smaller"
    )


@pytest.mark.parametrize("frames", [None, [3]])
def test_a_check_that_hangs_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: list[int] | None
) -> None:
    probe = probe_video(write_video(tmp_path / "honest.mp4", distinct_frames(20)))
    path = _put_in_place_of_ffmpeg(monkeypatch, tmp_path, "time.sleep(60)")
    (finding,) = check_decoding(path, "v", probe, frames, SHORT)
    assert (finding.check, finding.found, finding.advice) == (
        "decode",
        "FFmpeg gave nothing for 0.5 s and was ended",
        "copy the video again, re-encode it, or raise decode.timeout_s",
    )


def test_settings_hand_the_limits_on() -> None:
    assert DecodeSettings(width=32, frame_step=1).limits == Limits()
    given = DecodeSettings(width=32, frame_step=1, timeout_s=5, max_pixels=7)
    assert given.limits == Limits(5, 7)
    assert Limits() == Limits(120, 8192 * 4320)


def test_packets_as_stored(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(20), 25, lossless=False)
    packets = read_packets(path, Limits(), "-copyts")
    assert (len(packets.pts), packets.codec) == (20, "h264")
    assert packets.keys.tolist() == [True] + [False] * 19
    assert [tick * packets.time_base * 25 for tick in sorted(packets.pts.tolist())] == [*range(20)]
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(UserError, match=r"cannot read the video \(moov atom not found\)"):
        read_packets(path, Limits())


def test_units_that_are_looked_for_are_rare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "honest.mp4", distinct_frames(40), 10, lossless=False)
    real = imageio_ffmpeg.get_ffmpeg_exe()
    # Reading at the speed of the frames takes four seconds.
    program = f"os.execv({real!r}, [{real!r}, '-re', *sys.argv[1:]])"
    _put_in_place_of_ffmpeg(monkeypatch, tmp_path, program)
    packets = read_packets(video, Limits(timeout_s=1.5), "-copyts", units="5")
    assert len(packets.pts) == 40
    assert packets.with_units.tolist() == packets.pts[:1].tolist()
    monkeypatch.undo()
    assert not len(read_packets(video, Limits()).with_units)


def test_a_packet_that_cannot_be_cut_into_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        f"say('#tb 0: 1/10\\n{LINE}1{LINE[1:]}')\n"
        "if 'filter_units' in str(sys.argv): sys.exit(1)\n"
        f"say('{LINE}')"
    )
    path = _put_in_place_of_ffmpeg(monkeypatch, tmp_path, program)
    packets = read_packets(path, Limits(), units="5")
    assert (packets.pts.tolist(), packets.with_units.tolist()) == ([0, 0], [0])
