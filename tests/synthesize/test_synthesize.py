"""The rendered data set: files, calendar, motion, and what a single picture gives away."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from defusedxml.ElementTree import parse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from twinstroke.parallel.workers import Workers
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.synthesize.motions import PAUSES, STROKES
from twinstroke.synthesize.player import Performance, Player, draw_player, perform
from twinstroke.synthesize.render import encode, render_dataset
from twinstroke.synthesize.scene import Camera, Painter, draw_camera, draw_look
from twinstroke.synthesize.timing import PlannedStroke, VideoPlan, deal_labels, plan_videos

Floats = NDArray[np.float64]
TINY = SynthesizeSettings(
    train_players=1, test_players=1, strokes_per_player=2, width=160, height=90
)
SIZE = (160, 90)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("rendered")
    with Workers(count=2) as workers:
        return folder, render_dataset(TINY, seed=3, folder=folder, workers=workers)


def digest(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


# --- files ---------------------------------------------------------------------------------------


def test_it_writes_one_video_and_one_annotation_a_player(
    rendered: tuple[Path, list[str]],
) -> None:
    folder, (first, second) = rendered
    assert set(digest(folder)) == {
        *(f"videos/{video}.mp4" for video in (first, second)),
        f"annotations/train/{first}.xml",
        f"annotations/test/{second}.xml",
    }


def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(
    rendered: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, _ = rendered
    render_dataset(TINY, seed=3, folder=tmp_path / "same", workers=Workers(count=0))
    assert digest(tmp_path / "same") == digest(folder)

    smallest = TINY.model_copy(update={"test_players": 0, "strokes_per_player": 1})
    render_dataset(smallest, seed=4, folder=tmp_path / "other", workers=Workers(count=0))
    others = set(digest(tmp_path / "other").values())
    assert not others & set(digest(folder).values())


def test_videos_are_h264_at_120_fps_and_outlast_their_annotations(
    rendered: tuple[Path, list[str]],
) -> None:
    folder, videos = rendered
    for video, plan in zip(videos, plan_videos(TINY, 3), strict=True):
        file = folder / "videos" / f"{video}.mp4"
        exe = imageio_ffmpeg.get_ffmpeg_exe()
        done = subprocess.run(
            [
                exe,
                "-i",
                file,
                "-fps_mode",
                "passthrough",
                "-pix_fmt",
                "gray",
                "-f",
                "rawvideo",
                "-",
            ],
            capture_output=True,
            check=True,
        )
        said = done.stderr.decode()
        assert "Video: h264" in said
        assert "yuv420p" in said
        assert "160x90" in said
        assert "120 fps" in said
        frames = len(done.stdout) / (160 * 90)
        assert frames == plan.frames
        assert frames > max(end for _, end, _ in actions(folder, plan.split, video))


def test_videos_tell_neither_encoder_nor_time(rendered: tuple[Path, list[str]]) -> None:
    folder, videos = rendered
    for video in videos:
        content = (folder / "videos" / f"{video}.mp4").read_bytes()
        assert not re.search(rb"x264 - core|Lav[cf][0-9]", content)
        # Creation and modification time follow the version byte and three flag bytes of the box.
        header = content.index(b"mvhd")
        assert content[header + 8 : header + 16] == bytes(8)


def actions(folder: Path, split: str, video: str) -> list[tuple[int, int, str]]:
    root = parse(folder / "annotations" / split / f"{video}.xml").getroot()
    assert root is not None
    assert root.tag == "video"
    assert all(child.tag == "action" for child in root)
    assert all(set(child.attrib) == {"begin", "end", "move"} for child in root)
    return [(int(c.attrib["begin"]), int(c.attrib["end"]), c.attrib["move"]) for c in root]


def test_annotations_say_what_was_planned(rendered: tuple[Path, list[str]]) -> None:
    folder, videos = rendered
    for video, plan in zip(videos, plan_videos(TINY, 3), strict=True):
        assert plan.video == video
        planned = [(stroke.begin, stroke.end, stroke.label) for stroke in plan.strokes]
        assert actions(folder, plan.split, video) == planned


def test_a_failing_ffmpeg_is_reported_in_its_own_words(tmp_path: Path) -> None:
    frames = (np.zeros((90, 160, 3), np.uint8) for _ in range(2))
    with pytest.raises(RuntimeError, match="No such file or directory"):
        encode(frames, SIZE, tmp_path / "missing" / "video.mp4")


# --- calendar ------------------------------------------------------------------------------------


@given(st.integers(0, 12), st.integers(1, 33), st.integers(0, 2**32 - 1))
def test_the_classes_of_a_split_are_as_even_as_they_can_be(
    players: int, strokes: int, seed: int
) -> None:
    dealt = deal_labels(players, strokes, np.random.default_rng(seed))
    assert [len(hand) for hand in dealt] == [strokes] * players
    counts = Counter(label for hand in dealt for label in hand)
    assert {counts[label] for label in STROKES} <= {
        players * strokes // 20,
        -(-players * strokes // 20),
    }


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_strokes_lie_on_the_annotation_grid_and_apart(seed: int) -> None:
    chosen = SynthesizeSettings(train_players=2, validation_players=1, strokes_per_player=12)
    plans = plan_videos(chosen, seed)
    assert [plan.split for plan in plans] == ["train", "train", "validation"]
    assert len({plan.video for plan in plans}) == 3
    for plan in plans:
        assert plan.video.isdecimal()
        assert 9 <= len(plan.video) <= 14
        edges = [frame for stroke in plan.strokes for frame in (stroke.begin, stroke.end)]
        assert all(frame % 4 == 0 for frame in edges)
        assert all(36 <= stroke.end - stroke.begin <= 312 for stroke in plan.strokes)
        borders = [0, *edges, plan.frames]
        assert all(end - begin > 0 for begin, end in pairwise(borders))


def test_more_players_leave_those_before_them_as_they_were() -> None:
    few = SynthesizeSettings(train_players=2, strokes_per_player=7)
    many = SynthesizeSettings(train_players=5, test_players=1, strokes_per_player=7)
    assert plan_videos(many, 8)[:2] == plan_videos(few, 8)


def test_lengths_follow_the_real_annotations() -> None:
    plans = plan_videos(SynthesizeSettings(train_players=60, strokes_per_player=20), 0)
    durations = [stroke.end - stroke.begin for plan in plans for stroke in plan.strokes]
    gaps = [after.begin - before.end for plan in plans for before, after in pairwise(plan.strokes)]
    measured = np.quantile(durations, [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(measured, [80, 144, 180, 216, 256], atol=8)
    assert np.median(gaps) == pytest.approx(202, abs=8)


# --- motion --------------------------------------------------------------------------------------


def lone_stroke(label: str, seed: int = 0) -> tuple[Performance, int]:
    """Play one stroke of 100 frames; tell the frame in its middle."""
    plan = VideoPlan("1", "train", 0, (PlannedStroke(300, 400, label),), 700)
    rng = np.random.default_rng(seed)
    return perform(plan, draw_player(rng), rng), 350


def contact_frame(performance: Performance, middle: int) -> int:
    distance = np.linalg.norm(performance.ball - performance.joints["racket"], axis=1)
    near = slice(middle - 30, middle + 30)
    return middle - 30 + int(np.nanargmin(distance[near]))


def test_the_programmes_are_the_classes_of_ttstroke21_in_their_order() -> None:
    serves = product(
        ["Serve"], ["Forehand", "Backhand"], ["Backspin", "Loop", "Sidespin", "Topspin"]
    )
    offensive = product(["Offensive"], ["Forehand", "Backhand"], ["Hit", "Loop", "Flip"])
    defensive = product(["Defensive"], ["Forehand", "Backhand"], ["Push", "Block", "Backspin"])
    assert list(STROKES) == [" ".join(words) for words in [*serves, *offensive, *defensive]]


@pytest.mark.parametrize("label", STROKES)
def test_the_racket_meets_the_ball_in_the_middle_of_the_stroke(label: str) -> None:
    performance, middle = lone_stroke(label)
    contact = contact_frame(performance, middle)
    assert abs(contact - middle) <= 0.06 * 120
    np.testing.assert_allclose(
        performance.ball[contact], performance.joints["racket"][contact], atol=0.05
    )


@pytest.mark.parametrize("label", STROKES)
def test_the_swing_gives_the_ball_the_spin_of_its_name(label: str) -> None:
    performance, middle = lone_stroke(label, seed=5)
    contact = contact_frame(performance, middle)
    racket = performance.joints["racket"] - performance.joints["chest"]
    _, right, up = racket[contact + 8] - racket[contact - 8]
    _, hand, stroke = label.split()
    if stroke in ("Topspin", "Loop", "Flip"):
        assert up > 0.15
    elif stroke in ("Backspin", "Push"):
        assert up < -0.1
    elif stroke == "Sidespin":
        assert abs(right) > 0.25
    if stroke != "Block":  # forehands close inwards, backhands open outwards
        assert right < 0 if hand == "Forehand" else right > 0


@pytest.mark.parametrize("label", STROKES)
def test_only_serves_begin_with_a_toss(label: str) -> None:
    performance, middle = lone_stroke(label)
    contact = contact_frame(performance, middle)
    palm = np.linalg.norm(performance.ball - performance.joints["free_hand"], axis=1)
    held = palm[contact - 70 : contact - 50] < 0.1
    assert held.all() if label.startswith("Serve") else not held.any()
    if label.startswith("Serve"):
        flight = performance.ball[contact - 40 : contact, 2]
        assert flight.max() > performance.ball[contact, 2] + 0.25


def test_bones_keep_their_length() -> None:
    performance, _ = lone_stroke("Offensive Forehand Loop")
    joints = performance.joints
    for side in ("", "free_"):
        for one, other in (("shoulder", "elbow"), ("elbow", "hand"), ("hip", "knee")):
            length = np.linalg.norm(joints[side + one] - joints[side + other], axis=1)
            np.testing.assert_allclose(length, length[0], rtol=1e-6)


def test_players_move_their_arms_in_the_pauses_too() -> None:
    plan = VideoPlan("1", "train", 0, (), 3000)
    rng = np.random.default_rng(0)
    hand = perform(plan, draw_player(rng), rng).joints["hand"]
    way = np.linalg.norm(np.diff(hand, axis=0), axis=1)
    seconds = way[: len(way) // 120 * 120].reshape(-1, 120).sum(axis=1)
    assert len(PAUSES) >= 5
    assert np.mean(seconds > 0.3) > 0.3


def test_left_handers_are_right_handers_in_a_mirror() -> None:
    """Where the picture changes for one, it changes for the other at the mirrored place."""

    def changed(left_handed: bool) -> NDArray[np.bool_]:
        rng = np.random.default_rng(2)
        player = replace(draw_player(rng), left_handed=left_handed)
        performance, middle = lone_stroke("Offensive Forehand Hit")
        camera = draw_camera(rng, *SIZE, player)
        painter = Painter(performance, camera, draw_look(rng), player.girth, SIZE, rng)
        before, after = (painter.paint(middle + offset).astype(int) for offset in (-20, 15))
        return np.asarray(np.abs(after - before).max(axis=2) > 25)

    right, left = changed(False), changed(True)[:, ::-1]
    assert right.sum() > 100
    assert np.logical_and(right, left).sum() > 0.7 * np.logical_or(right, left).sum()


# --- what tells the class ------------------------------------------------------------------------


def observe(number: int, labels: list[str]) -> tuple[Floats, Floats]:
    """Play the labels; give (n, 8·8·3) colours of the middle frames and (n, 24·2) racket paths."""
    strokes = tuple(
        PlannedStroke(200 * k + 100, 200 * k + 200, label) for k, label in enumerate(labels)
    )
    plan = VideoPlan("1", "train", number, strokes, 200 * len(labels) + 100)
    rng = np.random.default_rng([11, number])
    player: Player = draw_player(rng)
    camera: Camera = draw_camera(rng, *SIZE, player)
    performance = perform(plan, player, rng)
    painter = Painter(performance, camera, draw_look(rng), player.girth, SIZE, rng)
    # A mirrored picture says the same, so that the few left-handers need no training of their own.
    flip = -1 if player.left_handed else 1
    pictures, paths = [], []
    for middle in (stroke.begin + 50 for stroke in strokes):
        small = cv2.resize(painter.paint(middle), (8, 8), interpolation=cv2.INTER_AREA)
        pictures.append(small[:, ::flip].ravel() / 255)
        racket = camera.project(performance.joints["racket"][middle - 48 : middle + 48 : 4])
        paths.append(((racket - racket.mean(axis=0)) * [flip, 1]).ravel())
    return np.array(pictures), np.array(paths)


def test_motion_tells_the_class_of_a_new_player_and_a_picture_does_not() -> None:
    labels = list(STROKES)
    observed = [observe(number, labels) for number in range(12)]
    pictures = np.array([one for one, _ in observed])
    paths = np.array([one for _, one in observed])
    train, test = slice(0, 8), slice(8, 12)
    y_train, y_test = labels * 8, labels * 4

    by_colour = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    by_colour.fit(np.concatenate(pictures[train]), y_train)
    right = by_colour.score(np.concatenate(pictures[test]), y_test) * len(y_test)
    # Chance is 5 %; 19 in 20 test sets stay below this if the classifier is right in 12 % of cases.
    assert right <= binom.ppf(0.95, len(y_test), 0.12)

    by_motion = KNeighborsClassifier(3).fit(np.concatenate(paths[train]), y_train)
    assert by_motion.score(np.concatenate(paths[test]), y_test) > 0.7
