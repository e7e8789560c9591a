"""Films that a camera cut into parts, and videos that look otherwise than the rest of a set."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest

from tests.videos import distinct_frames, write_interlaced_video, write_video
from twinstroke.findings import Finding, Findings
from twinstroke.index.alike import check_alike, check_parts
from twinstroke.video.probe import probe_video


def _parts(*paths: Path) -> list[Finding]:
    findings = Findings()
    check_parts({path.stem: path for path in paths}, findings)
    return findings.all


def test_parts_of_a_film_are_joined_by_the_command_that_is_told(tmp_path: Path) -> None:
    """Its frames are those of one part after the other."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    frames = distinct_frames(90, 32, 32)
    parts = [
        write_video(folder / f"GX0{n + 1}0017.MP4", frames[30 * n : 30 * n + 30], 60)
        for n in range(3)
    ]
    (finding,) = _parts(*reversed(parts))
    assert (finding.severity, finding.check, finding.file) == ("warning", "parts", str(parts[0]))
    assert "3 parts of one film (GX010017.MP4, GX020017.MP4, GX030017.MP4)" in finding.found
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    command = finding.advice.partition("take the parts away: ")[2]
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-c", command], check=True, env={**os.environ, "PATH": path})
    assert {file.name for file in folder.iterdir()} == {
        "GX0017.MP4",
        *(part.name for part in parts),
    }
    probe = probe_video(folder / "GX0017.MP4")
    assert (probe.frames, float(probe.fps), probe.variable_frame_rate) == (90, 60.0, False)
    decoded, _ = (
        ffmpeg.input(str(folder / "GX0017.MP4"))
        .output("pipe:", format="rawvideo", pix_fmt="rgb24")
        .run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), capture_stdout=True, quiet=True)
    )
    np.testing.assert_array_equal(np.frombuffer(decoded, np.uint8), frames.ravel())


@pytest.mark.parametrize(
    "names",
    [
        ("GX010001.MP4", "GX010002.MP4"),  # two films
        ("GX010001.MP4", "GH020001.MP4"),
        ("GX020001.MP4",),
        ("match1.mp4", "match2.mp4"),
        ("one/GX010001.MP4", "two/GX020001.MP4"),
    ],
)
def test_other_names_are_no_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert _parts(*(tmp_path / name for name in names)) == []


def _hdr(path: Path) -> Path:
    source = ffmpeg.input("testsrc2=size=64x48:rate=30:duration=0.4", f="lavfi")
    marks = {"color_trc": "arib-std-b67", "color_primaries": "bt2020", "colorspace": "bt2020nc"}
    (
        source.filter("setparams", **marks)
        .output(str(path), **{"c:v": "libx264", "pix_fmt": "yuv420p10le"})
        .run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)
    )
    return path


def test_videos_unlike_the_others(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", distinct_frames(10, 48, 64), 30)
    odd = {
        "HDR": _hdr(tmp_path / "hdr.mp4"),
        "interlaced": write_interlaced_video(tmp_path / "woven.mp4", distinct_frames(8, 64, 64)),
        "upright": write_video(tmp_path / "upright.mp4", distinct_frames(10, 64, 48), 30),
    }
    assert not any(probe_video(odd[kind]).hdr for kind in ("interlaced", "upright"))
    for kind, path in odd.items():
        for others, warned in (([plain], True), ([], False)):
            paths = {own.stem: own for own in (*others, path)}
            findings = Findings()
            probes = {name: probe_video(own) for name, own in paths.items()}
            check_alike(probes, paths, findings)
            found = [item.found for item in findings.all]
            expected = f"1 of 2 videos are {kind}, this one among them"
            assert found == [expected] * warned
            assert all(item.file == str(path) for item in findings.all)
            for item in findings.all if kind == "HDR" else ():
                assert not probe_video(_filtered(path, item.advice.rpartition(" ")[2])).hdr


def _filtered(path: Path, filters: str) -> Path:
    copy = path.with_stem("converted")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", path, "-vf", filters]
    subprocess.run([*command, copy], check=True)
    return copy
