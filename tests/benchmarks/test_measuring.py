"""Results, tables, turns, and peaks of memory; no time is asserted."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from benchmarks import measuring
from benchmarks.measuring import Result, Section


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
    text = measuring.document(sections)
    assert text.index("| processor |") < text.index("| One: r |") < text.index("## One")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Performance",
        "## Targets",
        "## One",
        "## Two",
    ]
    assert "\n| x |\n| --- |\n| y |\n" in text


def test_a_missed_target_says_why_and_a_met_one_does_not() -> None:
    for measured, told in ((1.1, True), (1.0, False)):
        results = [Result("a", 0, 1, "≤"), Result("r", measured, 1, "≤")]
        text = Section("One", results, "How.", if_missed="it is slow.").markdown
        assert ("**Missed, why and what next:** it is slow." in text) == told


def test_the_processor_is_named() -> None:
    assert (
        measuring.processor("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n")
        == "Some CPU @ 2 GHz"
    )


def test_the_peak_is_read_from_the_status() -> None:
    assert measuring.peak_in("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n") == 2 * 2**20
    assert measuring.peak_in("Name:\tx\nState:\tZ (zombie)\n") is None


def _take_memory() -> None:
    np.ones(50 * 2**20, np.uint8)


def _nothing() -> None:
    pass


def test_peaks_are_of_the_process_that_did_it() -> None:
    small = measuring.peak_memory(_nothing)["main"]
    large = measuring.peak_memory(_take_memory)["main"]
    assert 40 * 2**20 < large - small < 60 * 2**20
