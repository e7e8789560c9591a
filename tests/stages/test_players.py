"""Two players side by side in each video, with overlapping strokes, from files to the page."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.clone import Clone
from tests.viewer import file_in, loaded, viewer
from twinstroke.formats.csv import read_strokes
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.synthesize.player import draw_player, perform
from twinstroke.synthesize.render import encode
from twinstroke.synthesize.scene import Image, Painter, draw_camera, draw_look
from twinstroke.synthesize.timing import VideoPlan, plan_videos

pytestmark = pytest.mark.pipeline
WIDTH, HEIGHT = 120, 90
"""Of one player's half of the picture."""
STRIDE = 2
SPLITS = ("train", "validation", "test")
PRESET = """
data_seed: 1
synthesize: {train_players: 0, validation_players: 0, test_players: 0, strokes_per_player: 2,
             width: 160, height: 90}
index:
  format: csv
  videos: videos
  annotations: strokes.csv
  classes: found
  fps: 120
  negatives: {rule: gaps, frames: 80}
  split: {rule: given}
window: {frames: 8, height: 24, width: 24}
decode: {width: 96, frame_step: 8, context: 16}
flow: {estimator: farneback, blur: 3}
normalize: {min_motion: 0.1}
segment: {margin: 6}
balance: {negatives: mean}
train: {epochs: 1, batch_size: 4, batch_size_twin_attention: 4, learning_rate: 0.01,
        schedule: constant, momentum: 0.9, weight_decay: 0.0, gradient_clip: 5.0, augment: true}
evaluate: {stride: 2}
attend: {samples: 1}
detect: {stride: 2, split: test, shortest_s: 0, smoothing: none, negative_weight: 15}
"""
LEFT = f"0,0,{WIDTH},{HEIGHT}"
RIGHT = f"{WIDTH},0,{WIDTH},{HEIGHT}"
Strokes = list[tuple[int, int, str]]


def painted(plan: VideoPlan) -> Painter:
    rng = np.random.default_rng([7, plan.number])
    player, size = draw_player(rng), (WIDTH, HEIGHT)
    camera, look = draw_camera(rng, *size, player), draw_look(rng)
    return Painter(perform(plan, player, rng), camera, look, player.girth, size, rng)


def side_by_side(path: Path, left: VideoPlan, right: VideoPlan) -> list[Strokes]:
    """Render two players into one video, such that their first strokes overlap by far.

    Returns:
        The strokes of each.
    """
    shift = left.strokes[0].begin + 10 - right.strokes[0].begin
    frames = max(left.frames, right.frames + shift)
    painters = (painted(left), left.frames, 0), (painted(right), right.frames, shift)

    def pictures() -> Iterator[Image]:
        for n in range(frames):
            halves = [own.paint(min(max(n - late, 0), last - 1)) for own, last, late in painters]
            yield np.hstack(halves)

    path.parent.mkdir(parents=True, exist_ok=True)
    encode(pictures(), (2 * WIDTH, HEIGHT), path)
    return [
        [(s.begin + late, s.end + late, s.label) for s in plan.strokes]
        for plan, late in ((left, 0), (right, shift))
    ]


@pytest.fixture(scope="module")
def matches(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Clone, dict[tuple[str, str], Strokes]]:
    """A project that `dvc repro` finished, and the strokes by video and player."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    (clone.folder / "presets" / "tiny.yaml").write_text(PRESET)
    raw = clone.folder / "data" / "raw" / "tiny"
    six = SynthesizeSettings(
        train_players=6,
        validation_players=0,
        test_players=0,
        strokes_per_player=2,
        width=160,
        height=90,
    )
    plans = iter(plan_videos(six, seed=3))
    rows, strokes = ["video,begin,end,label,split,player,x,y,width,height"], {}
    for video in SPLITS:
        own = side_by_side(raw / "videos" / f"{video}.mp4", next(plans), next(plans))
        for player, region, marks in zip(("Ann", "Bo"), (LEFT, RIGHT), own, strict=True):
            strokes[video, player] = marks
            # It is enough to say once where a player is.
            regions = [region, *[",,,"] * (len(marks) - 1)]
            rows += [
                f"{video}.mp4,{begin},{end},{'Serve' if 'Serve' in label else 'Hit'},{video},"
                f"{player} of {video},{place}"
                for (begin, end, label), place in zip(marks, regions, strict=True)
            ]
    (raw / "strokes.csv").write_text("\n".join(rows) + "\n")
    clone.run("dvc", "repro")
    return clone, strokes


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def test_strokes_of_both_are_samples_and_negatives_are_each_players_own(
    matches: tuple[Clone, dict[tuple[str, str], Strokes]],
) -> None:
    clone, strokes = matches
    samples = table(clone.folder / "data/tiny/samples.csv")
    over_the_other = 0
    for (video, player), marks in strokes.items():
        own = [
            row
            for row in samples
            if (row["video"], row["group"]) == (video, f"{player} of {video}")
        ]
        found = [(int(r["begin"]), int(r["end"])) for r in own if r["origin"] == "annotated"]
        assert found == [(begin, end) for begin, end, _ in marks]
        (other,) = (p for v, p in strokes if v == video and p != player)
        for row in own:
            if row["origin"] == "mined":
                begin, end = int(row["begin"]), int(row["end"])
                assert not any(begin < e and b < end for b, e, _ in marks)
                over_the_other += any(begin < e and b < end for b, e, _ in strokes[video, other])
        (first, *_), (others, *_) = marks, strokes[video, other]
        assert first[0] < others[1] and others[0] < first[1], "they do not overlap"
    # Where one plays, the other may rest: that is a negative of the other.
    assert over_the_other > 0


def test_crops_stay_in_the_half_of_their_player(
    matches: tuple[Clone, dict[tuple[str, str], Strokes]],
) -> None:
    clone, _ = matches
    width, margin = 24, 6
    with h5py.File(clone.folder / "data/tiny/strokes.h5") as file:
        rgb, flow, roi = file["rgb"][:], file["flow"][:], file["roi"][:]
        groups = file["samples/group"].asstr()[:]
        offsets, lengths = file["samples/offset"][:], file["samples/length"][:]
    moving = 0
    for group, offset, length in zip(groups, offsets, lengths, strict=True):
        low, high = (0, 48) if group.startswith("Ann") else (48, 96)
        for at in range(offset, offset + length):
            centre = float(roi[at, 0])
            assert low + width / 2 <= centre <= high - width / 2
            columns = np.arange(width + 2 * margin) + round(centre - width / 2 - margin)
            outside = (columns < low) | (columns >= high)
            assert not rgb[at][:, outside].any() and not flow[at][:, outside].any()
            assert rgb[at][:, ~outside].mean() > 5
            moving += bool(flow[at].any())
    assert moving > len(roi) / 2


def test_what_was_found_is_measured_for_each(
    matches: tuple[Clone, dict[tuple[str, str], Strokes]],
) -> None:
    clone, strokes = matches
    figures = json.loads((clone.folder / "reports/tiny/detection_scores.json").read_text())
    expected = sum(len(marks) for (video, _), marks in strokes.items() if video == "test")
    assert (figures["n_videos"], figures["n_strokes"]) == (2, expected)
    rows = table(clone.folder / "reports/tiny/detections/test.csv")
    assert len(rows) == figures["n_found"] > 0
    places = {(r["player"], ",".join(r[c] for c in ("x", "y", "width", "height"))) for r in rows}
    assert places <= {("Ann of test", LEFT), ("Bo of test", RIGHT)}


def test_the_command_finds_the_same_and_the_page_has_a_row_for_each(
    matches: tuple[Clone, dict[tuple[str, str], Strokes]], tmp_path: Path
) -> None:
    clone, _ = matches
    video = "data/raw/tiny/videos/test.mp4"
    command = ["twinstroke", "detect", video, "--model", "data/tiny/model.safetensors"]
    command += ["--rules", "presets/tiny.yaml", "--out", "found"]
    regions = ["--region", f"Ann of test={LEFT}", "--region", f"Bo of test={RIGHT}"]
    assert "Ann of test" in clone.run(*command, *regions)
    found = clone.folder / "found"
    stage = clone.folder / "reports/tiny/detections/test.csv"
    assert (found / "test.csv").read_bytes() == stage.read_bytes()
    # 20 pixels of 240 are 8 of 96.
    small = clone.run(*command[:-1], "small", "--region", f"0,0,20,{HEIGHT}")
    assert "the region 0,0,20,90 becomes 8×36 pixels, smaller than the network's window" in small
    outside = ["--region", f"{WIDTH},0,{WIDTH + 1},{HEIGHT}"]
    printed = clone.run(*command, *outside, fails=True)
    assert "the region 120,0,121,90 reaches beyond the picture of 240×90" in printed
    truth = "data/raw/tiny/strokes.csv"
    assert "in 2 videos" in clone.run("twinstroke", "score", "found", "--truth", truth)

    with viewer(found / "test.html") as browser:
        loaded(browser)
        browser.wait("!document.getElementById('places').hidden")
        assert browser.texts(".place") == ["Ann of test", "Bo of test"]
        left, right = (
            browser.run(
                f"return document.querySelectorAll('.place')[{n}].getBoundingClientRect().toJSON()"
            )
            for n in (0, 1)
        )
        assert left["right"] == pytest.approx(right["left"], abs=1)
        assert left["width"] / left["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.02)
        browser.press("n", "r")
        browser.screenshot(tmp_path / "page.png")
        browser.downloads_to(tmp_path)
        browser.click("#save-csv")
        saved = read_strokes(file_in(tmp_path, ".csv"))["test"]
        browser.click("#save-eaf")
        tiers = file_in(tmp_path, ".eaf").read_text()
        assert browser.complaints() == []
    rows = table(stage)
    assert sorted((s.begin, s.end, s.group, str(s.region)) for s in saved) == sorted(
        (int(r["begin"]), int(r["end"]), r["player"], LEFT if "Ann" in r["player"] else RIGHT)
        for r in rows
    )
    assert {name for name in ("Ann of test", "Bo of test") if f'PARTICIPANT="{name}"' in tiers} == {
        row["player"] for row in rows
    }
