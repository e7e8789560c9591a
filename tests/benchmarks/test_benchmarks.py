"""The small parts of the benchmarks; no time is asserted."""

from __future__ import annotations

import cProfile
import pstats
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks import __main__ as report
from benchmarks import busy, disk, footage, gpu_memory, machine, measuring, memory, needed, phases
from benchmarks.measuring import Result, Section
from benchmarks.published import PublishedTwin
from tests.videos import distinct_frames, write_video
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.flow import stored as phases_of_flow
from twinstroke.hdf5 import new_hdf5
from twinstroke.models import build_tstcnn
from twinstroke.parallel.workers import Workers, each_of
from twinstroke.tables import Video
from twinstroke.video.entry import Entry
from twinstroke.video.seek import Pass


def a_video(frames: int) -> Video:
    return Video(
        video="v",
        path="v.mp4",
        sha256="",
        frames=frames,
        fps=Fraction(120),
        width=64,
        height=36,
        variable_frame_rate=False,
    )


@pytest.mark.parametrize(
    ("result", "cells"),
    [
        (Result("r", 0.5, 0.5, "≤"), ["r", "≤ 50.0%", "50.0%", "met"]),
        (Result("r", 0.541, 0.5, "≤"), ["r", "≤ 50.0%", "54.1%", "missed by 4.1 points"]),
        (Result("r", 0.9, 0.95, "≥"), ["r", "≥ 95.0%", "90.0%", "missed by 5.0 points"]),
        (Result("r", 0.99, 0.95, "≥"), ["r", "≥ 95.0%", "99.0%", "met"]),
        (
            Result("r", 94_200, 90_000, "≤", "kB"),
            ["r", "≤ 90.0 kB", "94.2 kB", "missed by 4.2 kB"],
        ),
        (Result("r", 2**29, 2**30, "≤", "MiB"), ["r", "≤ 1,024 MiB", "512 MiB", "met"]),
    ],
)
def test_a_result_says_whether_its_target_is_met(result: Result, cells: list[str]) -> None:
    assert result.cells == cells


def test_a_table_is_markdown_and_refuses_ragged_rows() -> None:
    assert measuring.table(["", "x"], [["a", "1"], ["b", "2"]]).splitlines() == [
        "|  | x |",
        "| --- | ---: |",
        "| a | 1 |",
        "| b | 2 |",
    ]
    with pytest.raises(ValueError, match="another length"):
        measuring.table(["", "x"], [["a"]])


def test_runs_take_turns() -> None:
    order: list[str] = []
    runs = {name: partial(order.append, name) for name in "ab"}
    seconds = measuring.alternating(3, runs)
    assert "".join(order) == "ababab"
    assert {name: len(own) for name, own in seconds.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_over_neighbouring_runs() -> None:
    # Rates in turn: 1/2, 1/4 and all of the bare one; the last pair was disturbed alike.
    assert measuring.ratio([2.0, 4.0, 50.0], [1.0, 1.0, 50.0]) == 0.5


def test_the_report_lists_all_targets_first() -> None:
    sections = [
        Section("One", [Result("r", 1, 1, "≤")], "How."),
        Section("Two", [], "Text.", [measuring.table(["x"], [["y"]])]),
    ]
    text = report.document(sections, ["## Three\n"], "computer")
    assert text.index("computer") < text.index("| One: r |") < text.index("## One")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Performance",
        "## Targets",
        "## One",
        "## Two",
        "## Three",
    ]
    assert "\n| x |\n| --- |\n| y |\n" in text


def test_a_missed_target_says_why_and_a_met_one_does_not() -> None:
    for measured, told in ((1.1, True), (1.0, False)):
        results = [Result("a", 0, 1, "≤"), Result("r", measured, 1, "≤")]
        text = Section("One", results, "How.", if_missed="it is slow.").markdown
        assert ("**Missed, why and what next:** it is slow." in text) == told


def test_the_processor_is_named() -> None:
    assert (
        machine.processor("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"
    )


def test_the_time_table_is_like_ttstroke_21() -> None:
    videos = needed.time_table()
    strokes = [stroke for own in videos for stroke in own]
    assert (len(videos), len(strokes)) == (129, 1048)
    lengths = [stroke.end - stroke.begin for stroke in strokes]
    assert min(lengths) >= 36
    assert max(lengths) <= 312
    assert abs(np.median(lengths) - 180) < 5
    gaps = [b.begin - a.end for own in videos for a, b in pairwise(own)]
    assert abs(np.median(gaps) - 202) < 10
    assert max(own[-1].end for own in videos) <= needed.FRAMES
    assert abs(needed.VIDEOS * needed.FRAMES - 675_000) < 1000
    # All negatives that the paper had at hand can be cut, and hardly more.
    at_hand = sum(map(len, needed.with_negatives(videos, 10_000))) - len(strokes)
    assert 681 <= at_hand < 720


def test_negatives_are_drawn_from_the_gaps() -> None:
    videos = [
        [Stroke("0", 450, 500)],
        [Stroke("1", 100, 150), Stroke("1", 351, 400)],
    ]
    assert needed.with_negatives(videos, 10) == [
        [(450, 500), (0, 200), (200, 400)],
        [(100, 150), (351, 400), (150, 350)],
    ]
    assert sum(map(len, needed.with_negatives(videos, 1))) == 4


def test_needed_frames_are_counted(tmp_path: Path) -> None:
    # Key frames at 0, 120, 240 ….
    file = footage.pattern(tmp_path / "v.mp4", (64, 36), 600)
    video = footage.row_of(file)
    assert video.frames == 600
    with Workers(count=0) as workers:
        own = needed.needs(file, video, [[(300, 450), (400, 500)]], workers)
    everything = 600
    assert own.inside == 200 / everything
    assert own.without_context == 201 / everything  # one more frame, to which flow leads
    assert own.kept == 241 / everything  # 20 frames on each side
    assert own.pairs == 240 / everything
    # From the key frame 240 to the frame 520, by however many passes.
    assert own.decoded == 281 / everything


def test_a_pass_decodes_from_its_entry_to_its_last_frame() -> None:
    entry = Entry(frame=240, pts=0, seek_s="2")
    assert list(
        needed.lengths(
            [Pass((range(10, 20), range(30, 40)), None), Pass((range(300, 310),), entry)]
        )
    ) == [40, 70]


def test_what_is_put_into_png_and_npy_weighs_as_much_as_the_files(tmp_path: Path) -> None:
    rgb = distinct_frames(2).transpose(0, 3, 1, 2)
    flow = np.zeros((*rgb.shape[2:], 2), np.float32)
    np.save(tmp_path / "flow.npy", flow)
    for number, planes in enumerate(rgb):
        cv2.imwrite(str(tmp_path / f"{number}.png"), planes.transpose(1, 2, 0)[..., ::-1])
    pictures = [(tmp_path / f"{number}.png").stat().st_size for number in range(2)]
    expected = np.mean(pictures) + (tmp_path / "flow.npy").stat().st_size
    assert disk.plain_bytes(rgb) == expected


def test_grey_frames_are_those_of_flow(tmp_path: Path) -> None:
    frames = distinct_frames(3)
    with new_hdf5(tmp_path / "f.h5", "") as file:
        file["rgb"] = frames.transpose(0, 3, 1, 2)
    expected = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    assert np.array_equal(footage.grey_frames(tmp_path / "f.h5"), expected)


def test_ranges_are_spread_within_the_video() -> None:
    assert footage.spread(a_video(1000), 3, 99) == [(0, 99), (450, 549), (900, 999)]
    assert footage.spread(a_video(50), 1, 99) == [(0, 49)]


def test_footage_of_the_user_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "mine.mp4", distinct_frames(20))
    monkeypatch.setenv("VIDEO", str(source))
    monkeypatch.setattr(footage, "FRAMES", 8)
    folder = tmp_path / "made"
    folder.mkdir()
    file = footage.footage(folder)
    video = footage.row_of(file)
    assert video.frames == 8
    assert footage.described(video, file).startswith("`mine.mp4`, 32×18 at 120 fps")
    monkeypatch.setenv("VIDEO", str(tmp_path / "none.mp4"))
    with pytest.raises(UserError, match="no such file"):
        footage.footage(folder)


def test_repeated_video_has_the_frames_of_all_copies(tmp_path: Path) -> None:
    piece = footage.pattern(tmp_path / "piece.mp4", (64, 36), 120)
    assert footage.row_of(footage.repeated(piece, 3, tmp_path / "long.mp4")).frames == 360


def test_the_peak_is_read_from_the_status() -> None:
    assert memory.peak_in("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n") == 2 * 2**20
    assert memory.peak_in("Name:\tx\nState:\tZ (zombie)\n") is None


def _take_memory() -> None:
    np.ones(50 * 2**20, np.uint8)


def test_peaks_are_of_the_process_that_did_it() -> None:
    small = memory.peak_memory(_nothing)["main"]
    large = memory.peak_memory(_take_memory)["main"]
    assert 40 * 2**20 < large - small < 60 * 2**20


def _nothing() -> None:
    pass


def test_clocked_workers_give_the_results_and_note_the_time() -> None:
    with busy.ClockedWorkers(count=0) as workers:
        assert list(workers.outcomes(_double, each_of([1, 2]))) == [(1, 2), (2, 4)]
        assert workers.busy_s > 0
    assert busy.utilisation(busy_s=6.0, wall_s=4.0, cores=2) == 0.75


def _double(number: int) -> int:
    return 2 * number


def test_time_in_a_library_counts_for_the_phase_that_calls_it() -> None:
    profile = cProfile.Profile()
    flow = np.ones((400, 500, 2), np.float32)

    def work() -> None:
        for _ in range(5):
            phases_of_flow.quantised(flow)

    profile.runcall(work)
    shares = phases.shares(pstats.Stats(profile))
    assert sum(shares.values()) == pytest.approx(1)
    # Nearly all of it is NumPy's rounding.
    assert shares["quantise"] > 0.9


def test_small_phases_join_everything_else() -> None:
    shares = {"a": 0.3, "b": 0.6, "c": 0.004, phases.ELSE: 0.096}
    assert phases.in_words(shares) == "b 60%, a 30%, everything else 10%"


def test_built_in_functions_are_told_by_their_name() -> None:
    assert phases.phase_of(("~", 0, "<built-in function cvtColor>")) == "grey"
    assert phases.phase_of(("/x/twinstroke/flow/estimators.py", 3, "estimate_flow")) == "estimate"
    assert phases.phase_of(("/x/numpy/core.py", 3, "clip")) is None


def test_storages_count_from_their_making_to_their_end() -> None:
    with gpu_memory.Allocated() as counted:
        a = torch.empty(1000, device="meta")
        view = a[:10]
        b = a + 1
        assert (counted.now, counted.peak) == (8000, 8000), "a view is no storage of its own"
        del a
        assert counted.now == 8000
        del view
        assert counted.now == 4000
        del b
    assert (counted.now, counted.peak) == (0, 8000)


@pytest.mark.parametrize("attention_blocks", [0, 2])
def test_the_published_network_is_ours(attention_blocks: int) -> None:
    """What the step is measured against computes the same, gradients included."""
    torch.manual_seed(0)
    window = (16, 16, 24)
    ours = build_tstcnn(
        modality="twin", classes=3, window=window, attention_blocks=attention_blocks
    ).double()
    theirs = PublishedTwin(window, 3, attention_blocks).double()
    theirs.load_state_dict(ours.state_dict())
    streams = {
        name: torch.randn(2, channels, *window, dtype=torch.double)
        for name, channels in (("rgb", 3), ("flow", 2))
    }
    outcomes = []
    for model in (ours, theirs):
        logits = model(streams)
        logits.square().sum().backward()
        outcomes.append({"logits": logits, **{n: p.grad for n, p in model.named_parameters()}})
    torch.testing.assert_close(outcomes[0], outcomes[1])
