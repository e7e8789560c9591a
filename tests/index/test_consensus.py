from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings, Place
from twinstroke.index.agreement import Agreement, ClassAgreement, cohen, fleiss, measure_agreement
from twinstroke.index.consensus import MOST_ANNOTATORS, iou, merge
from twinstroke.settings.index import ConsensusSettings
from twinstroke.tables import Split

DEFAULT = ConsensusSettings()


def mark(
    annotator: str,
    begin: int,
    end: int,
    label: str | None = "Push",
    *,
    video: str = "v",
    row: str = "",
    split: Split | None = None,
    group: str = "",
) -> Stroke:
    place = Place(f"{annotator}.csv", row or f"{begin}-{end}")
    return Stroke(video, begin, end, label, split, place, annotator, group)


def merged(strokes: Iterable[Stroke], settings: ConsensusSettings = DEFAULT) -> list[Stroke]:
    """Of input that gives no finding."""
    findings = Findings()
    result = merge(strokes, settings, findings)
    assert findings.all == []
    return result


MARKS = st.lists(
    st.builds(
        lambda who, begin, length, label, video: mark(
            who, begin, begin + length, label, video=video
        ),
        st.sampled_from("ABCD"),
        st.integers(0, 12),
        st.integers(1, 8),
        st.sampled_from(["Push", "Flick", None]),
        st.sampled_from("vw"),
    ),
    max_size=14,
)
SETTINGS = st.builds(
    ConsensusSettings,
    min_iou=st.sampled_from([0.1, 0.5, 2 / 3, 1.0]),
    quorum=st.sampled_from([0.0, 0.5, 2 / 3, 1.0]),
)


# Merging.


def _classes(result: Agreement) -> dict[str, ClassAgreement]:
    return {row.label: row for row in result.classes}


def test_three_annotators_by_hand() -> None:
    marks = [mark("C", 13, 30), mark("A", 10, 30), mark("B", 11, 34, "Flick")]
    assert merged(marks) == [
        Stroke(
            video="v",
            begin=11,
            end=30,
            label="Push",
            split=None,
            place=Place("A.csv", "10-30"),
            agreement=2 / 3,
            members=(marks[1], marks[2], marks[0]),
        )
    ]
    assert merged(marks)[0].votes == (("Push", 2), ("Flick", 1))


def test_half_frames_are_rounded_down() -> None:
    (stroke,) = merged([mark("A", 10, 30), mark("B", 13, 33)])
    assert (stroke.begin, stroke.end) == (11, 31)


@given(st.lists(MARKS.map(lambda marks: [replace(m, annotator="A") for m in marks]), max_size=3))
def test_what_one_person_annotated_is_unchanged(parts: list[list[Stroke]]) -> None:
    marks = [replace(m, video=f"{n}{m.video}") for n, part in enumerate(parts) for m in part]
    result = merged(marks)
    assert Counter(result) == Counter(marks)
    assert measure_agreement(result) is None


def test_no_name_is_one_person() -> None:
    marks = [mark("", 0, 10), mark("", 1, 11)]
    assert merged(marks) == marks
    (stroke,) = merged([marks[0], mark("A", 1, 11)])
    assert [member.annotator for member in stroke.members] == ["", "A"]


def test_annotators_are_counted_video_by_video() -> None:
    marks = [mark("A", 0, 10), mark("B", 0, 10), mark("C", 0, 10, video="w")]
    first, second = merged(marks)
    assert (first.agreement, second) == (1.0, marks[2])


def test_closest_marks_match_first() -> None:
    """B 4-14 overlaps both of A by more than a half, but shares more with the later one."""
    marks = [mark("A", 0, 12), mark("A", 5, 15), mark("B", 4, 14)]
    assert iou(marks[0], marks[2]) > 0.5
    assert [s.members for s in merged(marks)] == [(marks[0],), (marks[1], marks[2])]


def test_every_two_marks_of_a_stroke_overlap_enough() -> None:
    """A with B and B with C share 2/3, A with C only 3/7: no chain of all three."""
    marks = [mark("A", 0, 5), mark("B", 1, 6), mark("C", 2, 7)]
    result = merged(marks, ConsensusSettings(min_iou=0.5, quorum=0.0))
    assert [s.members for s in result] == [(marks[0], marks[1]), (marks[2],)]


def test_smallest_overlap_is_inclusive() -> None:
    marks = [mark("A", 0, 5), mark("B", 0, 3)]  # 3/5
    for min_iou, count in ((0.6, 1), (0.601, 2)):
        assert len(merged(marks, ConsensusSettings(min_iou=min_iou))) == count


def test_equal_votes_leave_the_class_open() -> None:
    findings = Findings()
    marks = [mark("A", 10, 20, "Push"), mark("B", 10, 20, "Flick")]
    (stroke,) = merge(marks, DEFAULT, findings)
    assert (stroke.label, stroke.agreement) == (None, 0.0)
    assert (stroke.begin, stroke.end) == (10, 20)
    (finding,) = findings.warnings
    assert (finding.file, finding.row, finding.video) == ("A.csv", "10-20", "v")
    assert "Flick (1), Push (1)" in finding.found
    assert findings.errors == []


def test_unknown_labels_do_not_vote_but_count_for_the_quorum() -> None:
    marks = [mark("A", 0, 9, None), mark("B", 0, 9, "Push"), mark("C", 30, 40)]
    findings = Findings()
    stroke, lone = merge(marks, DEFAULT, findings)
    assert (stroke.label, stroke.votes, stroke.agreement) == ("Push", (("Push", 1),), 1 / 3)
    assert lone.label is None
    assert len(findings.warnings) == 1


def test_stroke_that_nobody_could_name_stays_unknown_without_a_word() -> None:
    (stroke,) = merged([mark("A", 0, 9, None), mark("B", 0, 9, None)])
    assert (stroke.label, stroke.votes, stroke.agreement) == (None, (), 0.0)


def test_one_of_two_counts() -> None:
    lone, both = merged([mark("A", 0, 10), mark("A", 20, 30), mark("B", 20, 30)])
    assert (lone.label, lone.agreement, lone.votes) == ("Push", 0.5, (("Push", 1),))
    assert (both.label, both.agreement) == ("Push", 1.0)


def test_one_of_three_does_not_count() -> None:
    findings = Findings()
    marks = [mark("A", 0, 10), *(mark(who, 20, 30) for who in "ABC")]
    lone, _ = merge(marks, DEFAULT, findings)
    assert (lone.label, lone.agreement, lone.votes) == (None, 0.0, (("Push", 1),))
    (finding,) = findings.warnings
    assert (finding.file, finding.row) == ("A.csv", "0-10")
    assert "1 of 3 annotators (A)" in finding.found
    result = merged(marks, ConsensusSettings(quorum=0.3))
    assert (result[0].label, result[0].agreement) == ("Push", 1 / 3)


def test_one_stroke_in_two_splits_or_groups_is_an_error() -> None:
    findings = Findings()
    marks = [
        mark("A", 0, 10, split="train", group="Ann"),
        mark("B", 0, 10, split="test", group="Bea"),
        mark("C", 0, 10, split="validation", group="Ann"),
    ]
    (stroke,) = merge(marks, DEFAULT, findings)
    assert (stroke.split, stroke.group) == ("train", "Ann")
    assert [(finding.file, finding.row, finding.found) for finding in findings.errors] == [
        ("B.csv", "0-10", "split 'test', but 'train' at A.csv:0-10 for the same stroke"),
        ("C.csv", "0-10", "split 'validation', but 'train' at A.csv:0-10 for the same stroke"),
        ("B.csv", "0-10", "group 'Bea', but 'Ann' at A.csv:0-10 for the same stroke"),
    ]


def test_one_annotator_may_leave_split_and_group_to_the_other() -> None:
    (stroke,) = merged([mark("A", 0, 10), mark("B", 0, 10, split="test", group="Ann")])
    assert (stroke.split, stroke.group) == ("test", "Ann")


@given(MARKS, SETTINGS, st.randoms(use_true_random=False))
def test_order_of_the_input_does_not_matter(
    marks: list[Stroke], settings: ConsensusSettings, chance: random.Random
) -> None:
    first, second = Findings(), Findings()
    result = merge(marks, settings, first)
    chance.shuffle(marks)
    assert merge(marks, settings, second) == result
    assert second.all == first.all


def exact_iou(a: Stroke, b: Stroke) -> Fraction:
    """Frame by frame."""
    one, other = set(range(a.begin, a.end)), set(range(b.begin, b.end))
    return Fraction(len(one & other), len(one | other))


@given(MARKS, SETTINGS)
def test_clusters_against_brute_force(marks: list[Stroke], settings: ConsensusSettings) -> None:
    result = merge(marks, settings, Findings())
    annotators = {video: {m.annotator for m in marks if m.video == video} for video in "vw"}
    several = [m for m in marks if len(annotators[m.video]) > 1]
    clusters = [s for s in result if s.members]
    assert result == sorted(result, key=lambda s: (s.video, s.begin, s.end))
    # Each mark is in exactly one stroke, and nobody twice in one.
    assert Counter(m for s in clusters for m in s.members) == Counter(several)
    least = Fraction(settings.min_iou).limit_denominator(100)
    for stroke in clusters:
        names = [m.annotator for m in stroke.members]
        assert names == sorted(set(names))
        assert {m.video for m in stroke.members} == {stroke.video}
        assert all(exact_iou(a, b) >= least for a, b in combinations(stroke.members, 2))
        assert 0 <= stroke.begin < stroke.end
        if len(names) % 2:
            assert stroke.begin == median_low(m.begin for m in stroke.members)
            assert stroke.end == median_low(m.end for m in stroke.members)
        # The class, literally.
        votes = Counter(m.label for m in stroke.members if m.label)
        best = [name for name, number in votes.items() if number == max(votes.values())]
        people = len(annotators[stroke.video])
        enough = len(names) >= Fraction(settings.quorum).limit_denominator(100) * people
        assert stroke.label == (best[0] if enough and len(best) == 1 else None)
        assert stroke.agreement == (votes[stroke.label] / people if stroke.label else 0)
    # No two strokes could still be one, and the closest two marks of a video are together.
    for a, b in combinations(clusters, 2):
        if a.video == b.video and not {m.annotator for m in a.members} & {
            m.annotator for m in b.members
        }:
            assert any(exact_iou(m, n) < least for m in a.members for n in b.members)
    for video in "vw":
        pairs = [
            (m, n)
            for m, n in combinations([m for m in several if m.video == video], 2)
            if m.annotator != n.annotator
        ]
        closest = max((exact_iou(m, n) for m, n in pairs), default=Fraction(0))
        if closest >= least:
            inside = [
                exact_iou(m, n)
                for s in clusters
                if s.video == video
                for m, n in combinations(s.members, 2)
            ]
            assert max(inside, default=0) == closest


def test_ten_thousand_strokes_of_five_annotators() -> None:
    chance = random.Random(0)  # noqa: S311
    marks = [
        mark(who, 50 * n + chance.randint(0, 4), 50 * n + 40 + chance.randint(0, 4))
        for who in "ABCDE"
        for n in range(10_000)
    ]
    began = time.perf_counter()
    result = merged(marks)
    assert measure_agreement(result) is not None
    assert time.perf_counter() - began < 30  # all pairs would be 10⁹; takes about 1 s
    assert [len(stroke.members) for stroke in result] == [5] * 10_000


def test_too_many_overlapping_strokes_are_an_error_and_not_an_endless_run() -> None:
    findings = Findings()
    marks = [mark("AB"[n % 2], n, 10**6, video="w") for n in range(2_000)] + [mark("A", 0, 5)]
    result = merge(marks, DEFAULT, findings)
    (error,) = findings.errors
    assert (error.video, error.file, error.row) == ("w", "A.csv", "0-1000000")
    assert len(result) == 2_001
    assert {(s.video, s.label) for s in result} == {("v", "Push"), ("w", None)}


def test_too_many_annotators_are_an_error() -> None:
    marks = [mark(f"{n:02}", 0, 10) for n in range(MOST_ANNOTATORS + 1)]
    assert len(merged(marks[1:])) == 1
    findings = Findings()
    assert {s.label for s in merge(marks, DEFAULT, findings)} == {None}
    (error,) = findings.errors
    assert f"{MOST_ANNOTATORS + 1} annotators" in error.found


# Agreement.


def measured(strokes: Iterable[Stroke]) -> Agreement:
    result = measure_agreement(merge(strokes, DEFAULT, Findings()))
    assert result is not None
    json.dumps(result.facts, allow_nan=False)
    return result


def named_apart(*columns: Sequence[str | None]) -> list[Stroke]:
    """Annotators who mark the same strokes, one after the other, and name them as given."""
    return [
        mark(chr(ord("A") + number), 20 * n, 20 * n + 10, label)
        for number, column in enumerate(columns)
        for n, label in enumerate(column)
    ]


def test_two_annotators_by_hand() -> None:
    """A and B share 0-10 (7/10) and 40-50 (8/12); 20-30 is of A alone, 60-70 nobody but B.

    Both name two of the shared ones alike: kappa 1.
    """
    result = measured(
        [
            *(mark("A", 0, 10, "Push"), mark("B", 3, 10, "Push")),
            mark("A", 20, 30, "Push"),
            *(mark("A", 40, 50, "Flick"), mark("B", 42, 52, "Flick")),
            mark("B", 60, 70, "Block"),
            mark("C", 0, 10, "Serve", video="of C alone"),
        ]
    )
    assert (result.videos, result.annotators, result.strokes) == (1, 2, 4)
    assert (result.marked_by_all, result.marked_by_one, result.named_by_several) == (2, 2, 2)
    assert (result.kappa_by, result.kappa) == ("Cohen", 1.0)
    assert result.mean_iou == pytest.approx((0.7 + 8 / 12) / 2)
    assert (result.begin_difference, result.end_difference) == (2.5, 1)
    assert list(_classes(result)) == ["Block", "Flick", "Push"]
    push, block = _classes(result)["Push"], _classes(result)["Block"]
    assert (push.strokes, push.kappa) == (2, 1.0)
    assert push.mean_iou == pytest.approx(0.7)
    assert (block.strokes, block.kappa, block.mean_iou) == (1, None, None)


def test_cohens_kappa_by_hand() -> None:
    """20 + 15 of 50 alike; A says Push for 25, B for 30: (0.7 - 0.5) / (1 - 0.5) = 0.4."""
    a = ["Push"] * 25 + ["Flick"] * 25
    b = ["Push"] * 20 + ["Flick"] * 5 + ["Push"] * 10 + ["Flick"] * 15
    result = measured(named_apart(a, b))
    assert result.kappa == pytest.approx(0.4)
    # Two classes: each against the rest is the same question.
    assert [c.kappa for c in result.classes] == pytest.approx([0.4, 0.4])
    assert [c.strokes for c in result.classes] == [30, 35]


@pytest.mark.parametrize("people", [2, 3])
def test_perfect_agreement(people: int) -> None:
    result = measured(named_apart(*[["Push", "Flick", "Block", "Push"]] * people))
    assert (result.kappa, result.mean_iou) == (1.0, 1.0)
    assert (result.begin_difference, result.end_difference) == (0, 0)
    assert all(own.kappa == 1.0 for own in result.classes)
    assert result.marked_by_all == result.strokes == 4


@pytest.mark.parametrize("people", [2, 3])
def test_random_labels_agree_by_chance_only(people: int) -> None:
    chance = random.Random(people)  # noqa: S311
    columns = [chance.choices(["Push", "Flick", "Block"], k=3_000) for _ in range(people)]
    assert measured(named_apart(*columns)).kappa == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("people", [2, 3])
@pytest.mark.parametrize("strokes", [1, 10])
def test_only_one_class_has_no_kappa(people: int, strokes: int) -> None:
    result = measured(named_apart(*[["Push"] * strokes] * people))
    assert result.kappa is None
    assert _classes(result)["Push"].kappa is None


def test_nothing_in_common() -> None:
    result = measured([mark("A", 0, 10), mark("B", 20, 30)])
    assert (result.strokes, result.marked_by_one, result.named_by_several) == (2, 2, 0)
    assert (result.kappa, result.mean_iou, result.begin_difference) == (None, None, None)


def test_unknown_labels_are_no_part_of_kappa() -> None:
    known = named_apart(["Push", "Flick", "Push"], ["Push", "Flick", "Flick"])
    unknown = [mark("A", 900, 910, None), mark("B", 900, 910, "Push")]
    result = measured(known + unknown)
    assert (result.strokes, result.named_by_several) == (4, 3)
    assert result.kappa == measured(known).kappa


def test_two_annotators_a_video_but_three_in_all_is_fleiss() -> None:
    marks = [
        *(mark("A", 0, 10, "Push"), mark("B", 0, 10, "Push")),
        *(mark("A", 0, 10, "Flick", video="w"), mark("C", 0, 10, "Push", video="w")),
    ]
    result = measured(marks)
    assert (result.videos, result.annotators, result.kappa_by) == (2, 3, "Fleiss")
    # Alike in 1/2; by chance 3/4² + 1/4² = 5/8: (4/8 - 5/8) / (3/8).
    assert result.kappa == pytest.approx(-1 / 3)
    assert result.marked_by_all == 2


TABLE = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 "
    "144444 124444 222333 144444 224445 333335 111455 111112 224444 133555 "
    "555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
"""Diagnoses 1 to 5 of 30 patients by 6 psychiatrists each: table 1 of Fleiss, Measuring nominal
scale agreement among many raters, Psychological Bulletin 76 (1971)."""
FLEISS_1971 = TABLE.split()


def test_fleiss_kappa_of_his_own_example() -> None:
    kappa, each = fleiss(FLEISS_1971)
    assert kappa == pytest.approx(0.430, abs=5e-4)
    published = {"1": 0.245, "2": 0.245, "3": 0.520, "4": 0.471, "5": 0.566}
    assert each == pytest.approx(published, abs=5e-4)


def test_fleiss_kappa_of_marks_is_that_of_their_labels() -> None:
    """The patients as strokes, for which six people stand in any order."""
    columns = [[names[n] for names in FLEISS_1971] for n in range(6)]
    result = measured(named_apart(*columns))
    assert result.kappa_by == "Fleiss"
    assert result.kappa == pytest.approx(0.430, abs=5e-4)
    assert _classes(result)["3"].kappa == pytest.approx(0.520, abs=5e-4)
    assert _classes(result)["3"].strokes == sum("3" in names for names in FLEISS_1971)


LABELS = st.sampled_from("PFB")
VARYING = st.lists(st.lists(LABELS, min_size=2, max_size=5), min_size=1, max_size=12)


def literal_fleiss(strokes: list[list[str]]) -> Fraction | None:
    """Share of pairs of annotators that agree, mean over strokes, beyond chance."""
    alike = [
        Fraction(sum(a == b for a, b in combinations(own, 2)), len(own) * (len(own) - 1) // 2)
        for own in strokes
    ]
    observed = sum(alike, Fraction(0)) / len(strokes)
    names = {name for own in strokes for name in own}
    shares = [
        sum((Fraction(own.count(name), len(own)) for own in strokes), Fraction(0)) / len(strokes)
        for name in names
    ]
    chance = sum(share**2 for share in shares)
    return (observed - chance) / (1 - chance) if chance != 1 else None


@given(VARYING)
def test_fleiss_against_literal_restatement(strokes: list[list[str]]) -> None:
    kappa, each = fleiss(strokes)
    expected = literal_fleiss(strokes)
    assert kappa == (None if expected is None else pytest.approx(float(expected), abs=1e-9))
    for name, own in each.items():
        rest = [["this" if label == name else "other" for label in names] for names in strokes]
        alone = literal_fleiss(rest)
        assert own == (None if alone is None else pytest.approx(float(alone), abs=1e-9))


@given(st.lists(st.lists(LABELS, min_size=2, max_size=2), min_size=1, max_size=12))
def test_cohen_against_scikit_learn_label_by_label(strokes: list[list[str]]) -> None:
    kappa, each = cohen(strokes)
    first, second = zip(*strokes, strict=True)
    if len({*first, *second}) == 1:
        assert kappa is None
        assert list(each.values()) == [None]
        return
    assert kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)
    for name, own in each.items():
        sides = [[label == name for label in side] for side in (first, second)]
        assert own == pytest.approx(cohen_kappa_score(*sides), abs=1e-9)
