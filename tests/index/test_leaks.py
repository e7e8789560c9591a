from __future__ import annotations

import json
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings
from twinstroke.index.leaks import leak_report
from twinstroke.tables import SPLITS, Split

ROWS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["", "p", "q", "r"]), st.sampled_from([*SPLITS, None])
    ),
    max_size=25,
)
# Videos of equal content: no video is in two sets.
SAME = st.sampled_from([[], ["01"], ["01", "23"], ["012", "35"], ["0123456"], ["2", "67"]]).map(
    lambda sets: [frozenset(f"v{n}" for n in videos) for videos in sets]
)


def _samples(
    rows: list[tuple[int, str, Split | None]],
) -> tuple[dict[str, Stroke], dict[str, Split]]:
    samples = {
        f"s{n}": Stroke(f"v{video}", 10 * n, 10 * n + 9, "A", group=group)
        for n, (video, group, _) in enumerate(rows)
    }
    return samples, {f"s{n}": split for n, (_, _, split) in enumerate(rows) if split}


@given(ROWS, SAME)
def test_the_report_says_what_all_pairs_of_samples_say(
    rows: list[tuple[int, str, Split | None]], same: list[frozenset[str]]
) -> None:
    samples, splits = _samples(rows)
    report = leak_report(samples, splits, same)
    assert [(pair.first, pair.second) for pair in report.pairs] == list(combinations(SPLITS, 2))
    for pair in report.pairs:
        videos, groups = set(), set()
        contents: dict[frozenset[str], set[str]] = {}
        for name, one in samples.items():
            for its_name, other in samples.items():
                if (splits.get(name), splits.get(its_name)) != (pair.first, pair.second):
                    continue
                if one.video == other.video:
                    videos.add(one.video)
                if one.group and one.group == other.group:
                    groups.add(one.group)
                for copies in same:
                    if one.video != other.video and {one.video, other.video} <= copies:
                        contents.setdefault(copies, set()).update((one.video, other.video))
        assert pair.videos == tuple(sorted(videos))
        assert pair.groups == tuple(sorted(groups))
        assert pair.contents == tuple(sorted(tuple(sorted(v)) for v in contents.values()))


def _example() -> tuple[dict[str, Stroke], dict[str, Split], list[frozenset[str]]]:
    samples, splits = _samples(
        [
            (1, "p", "train"),
            (1, "p", "test"),
            (2, "q", "train"),
            (3, "q", "test"),
            (4, "", "validation"),
            (5, "", "train"),
        ]
    )
    return samples, splits, [frozenset({"v2", "v3", "v9"})]


def test_counts_are_flat_and_complete() -> None:
    counts = leak_report(*_example()).counts
    assert json.loads(json.dumps(counts)) == {
        "train_validation": {"videos": 0, "groups": 0, "contents": 0},
        "train_test": {"videos": 1, "groups": 2, "contents": 1},
        "validation_test": {"videos": 0, "groups": 0, "contents": 0},
    }


def test_warnings_name_what_is_shared() -> None:
    findings = Findings()
    leak_report(*_example()).warn(findings, group="player")
    assert not findings.errors
    assert [finding.found for finding in findings.warnings] == [
        "train and test share 1 video: v1",
        "train and test share 2 players: p, q",
        "train and test share 1 content: v2 = v3",
    ]
    assert all(finding.advice for finding in findings.warnings)


def test_warnings_name_ten() -> None:
    rows: list[tuple[int, str, Split | None]] = [
        (n, "", split) for n in range(12) for split in ("validation", "test")
    ]
    findings = Findings()
    samples, splits = _samples([row for row in rows if row[0] < 10])
    leak_report(samples, splits, []).warn(findings, group="player")
    samples, splits = _samples(rows)
    leak_report(samples, splits, []).warn(findings, group="player")
    assert [finding.found for finding in findings.warnings] == [
        "validation and test share 10 videos: v0, v1, v2, v3, v4, v5, v6, v7, v8, v9",
        "validation and test share 12 videos: v0, v1, v10, v11, v2, v3, v4, v5, v6, v7, …",
    ]


def test_clean_splits_have_no_warning() -> None:
    samples, splits = _samples([(0, "p", "train"), (1, "q", "validation"), (2, "r", "test")])
    findings = Findings()
    report = leak_report(samples, splits, [frozenset({"v0", "v8"})])
    report.warn(findings, group="player")
    assert not findings.all
