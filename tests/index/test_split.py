from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings, Place
from twinstroke.index.split import Placement, assign_splits
from twinstroke.settings.index import SplitSettings
from twinstroke.tables import SPLITS, Split

Same = Sequence[frozenset[str]]


class Unit(NamedTuple):
    """A sample, as far as splits depend on it."""

    key: str
    video: str
    group: str
    label: str
    given: Split | None
    place: Place


def _unit(number: int, video: str, group: str = "", label: str = "A") -> Unit:
    return Unit(f"{video}:{number}", video, group, label, None, Place("a.csv", str(number + 2)))


# Two videos of each group; a few videos show a second group.
UNITS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 19), st.sampled_from("ABCD")), max_size=50
).map(
    lambda rows: [
        _unit(n, f"v{video}", f"p{video // 2 if other else (video // 2 + 1) % 7}", label)
        for n, (video, other, label) in enumerate(rows)
    ]
)
SAME = st.lists(st.frozensets(st.integers(0, 12).map("v{}".format), max_size=3), max_size=3)
WHOLE = st.sampled_from(["video", "group"])
FOLDS = st.sampled_from(["none", 3, 4])


def _settings(rule: str, **others: Any) -> SplitSettings:
    return SplitSettings.model_validate({"rule": rule, **others})


def _assign(
    units: Sequence[Unit],
    settings: SplitSettings,
    *,
    seed: int = 1,
    same: Same = (),
    kept: Sequence[Placement] = (),
) -> tuple[dict[str, Split], list[Placement], list[str]]:
    findings = Findings()
    strokes = {
        unit.key: Stroke(unit.video, 0, 1, unit.label, unit.given, unit.place, group=unit.group)
        for unit in units
    }
    assert len(strokes) == len(units)
    splits, rows = assign_splits(
        strokes, settings, seed=seed, same=same, kept=kept, findings=findings
    )
    assert not findings.warnings
    return splits, rows, [str(finding) for finding in findings.errors]


def _placed(units: Sequence[Unit], settings: SplitSettings, **others: Any) -> dict[str, Split]:
    splits, _, errors = _assign(units, settings, **others)
    assert not errors
    assert splits.keys() == {unit.key for unit in units}
    return splits


def _components(units: Sequence[Unit], rule: str, same: Same) -> list[set[str]]:
    """What must stay together, by naive merging: sets of videos and, for groups, `group:` names."""
    sets = [{u.video} | ({f"group:{u.group}"} if rule == "group" else set()) for u in units]
    sets += [set(copies) for copies in same]
    merged: list[set[str]] = []
    for found in sets:
        touching = [other for other in merged if other & found]
        merged = [other for other in merged if not other & found]
        merged.append(found.union(*touching))
    present = {unit.video for unit in units}
    return [component for component in merged if component & present]


def _cost(units: Sequence[Unit], place: Mapping[str, Any], ratios: Mapping[Any, float]) -> float:
    """The sum that the draw lowers, as the module's docstring states it."""
    totals = Counter(unit.label for unit in units)
    found = Counter((place[unit.key], unit.label) for unit in units)
    cost = 0.0
    for part, ratio in ratios.items():
        cost += sum((found[part, c] / total - ratio) ** 2 for c, total in totals.items())
        cost += (sum(found[part, c] for c in totals) / len(units) - ratio) ** 2
    return cost


RATIOS = {"train": 0.7, "validation": 0.2, "test": 0.1}


def _players(count: int, seed: int, largest: int = 12) -> list[Unit]:
    """Groups of random size, each with a video of its own and a liking for some classes."""
    rng = np.random.default_rng(seed)
    units: list[Unit] = []
    for player in range(count):
        liking = rng.dirichlet([0.7] * 5)
        for label in rng.choice(list("ABCDE"), rng.integers(1, largest + 1), p=liking):
            units.append(_unit(len(units), f"v{player}", f"p{player}", str(label)))
    return units


# --- rules that draw nothing ---


def test_given_splits_are_obeyed() -> None:
    units = [
        _unit(0, "v")._replace(given="train"),
        _unit(1, "v")._replace(given="test"),
        _unit(2, "w")._replace(given="validation"),
    ]
    splits, rows, errors = _assign(units, _settings("given"))
    assert splits == {"v:0": "train", "v:1": "test", "w:2": "validation"}
    assert not rows and not errors


def test_given_names_videos_without_split_once() -> None:
    units = [_unit(n, "v") for n in range(3)] + [_unit(3, "w")._replace(given="test")]
    splits, _, errors = _assign(units, _settings("given"))
    assert splits == {"w:3": "test"}
    assert len(errors) == 1
    assert errors[0].startswith("a.csv:2: video 'v' has samples of no split")


NAMES = _settings("names", train=["fold[01]_*"], validation=["fold2_*"], test=["*_9", "t"])


def test_names_place_whole_videos() -> None:
    units = [_unit(n, v) for n, v in enumerate(["fold0_1", "fold2_1", "t", "t"])]
    units = [unit._replace(given="train") for unit in units]
    old = [Placement(rule="video, 3 folds, seed 1", unit="t", part="0")]
    splits, rows, errors = _assign(units, NAMES, kept=old)
    assert list(splits.values()) == ["train", "validation", "test", "test"]
    # Nothing is drawn, and what other rules drew stays.
    assert rows == old and not errors


@pytest.mark.parametrize(
    ("video", "message"),
    [("fold3_1", "patterns of no split"), ("fold2_9", "patterns of validation and test")],
)
def test_names_must_match_one_split(video: str, message: str) -> None:
    splits, _, errors = _assign([_unit(0, video), _unit(1, video)], NAMES)
    assert not splits
    assert len(errors) == 1
    assert video in errors[0] and message in errors[0]


# --- all rules that draw ---


@given(UNITS, SAME, st.sampled_from(["video", "group", "stroke"]), FOLDS, st.data())
def test_draws_depend_on_the_set_of_samples(
    units: list[Unit], same: list[frozenset[str]], rule: str, folds: Any, data: st.DataObject
) -> None:
    settings = _settings(rule, folds=folds)
    first = _assign(units, settings, same=same)
    shuffled = data.draw(st.permutations(units))
    again = _assign(shuffled, settings, same=data.draw(st.permutations(same)))
    assert first == again


@pytest.mark.parametrize("rule", ["video", "group", "stroke"])
@pytest.mark.parametrize("folds", ["none", 3])
def test_another_seed_draws_otherwise(rule: str, folds: Any) -> None:
    units = [_unit(n, f"v{n}", f"p{n}") for n in range(30)]
    draws = {
        tuple(sorted(_placed(units, _settings(rule, folds=folds), seed=seed).items()))
        for seed in range(5)
    }
    assert len(draws) == 5


@pytest.mark.parametrize("rule", ["video", "group", "stroke"])
def test_fewer_than_the_splits_or_folds_are_an_error(rule: str) -> None:
    two = [_unit(n, f"v{n}", f"p{n}") for n in range(2)]
    four = [_unit(n, f"v{n}", f"p{n}") for n in range(4)]
    for units, folds, message in (
        (two, "none", "at least 3 "),
        (four, 5, "at least 5 "),
        ([], "none", "found 0"),
    ):
        splits, rows, errors = _assign(units, _settings(rule, folds=folds))
        assert not splits and not rows
        assert len(errors) == 1
        assert message in errors[0] and f"found {len(units)}" in errors[0]


@pytest.mark.parametrize("rule", ["video", "group", "stroke"])
def test_each_fold_tests_once_and_validates_once(rule: str) -> None:
    units = _players(12, 3)
    roles: dict[str, list[Split]] = defaultdict(list)
    rows: list[Placement] = []
    for fold in range(4):
        settings = _settings(rule, folds=4, fold=fold)
        splits, drawn, errors = _assign(units, settings, kept=rows)
        assert not errors
        assert drawn == _assign(units, settings)[1], "the fold is no part of the draw"
        assert not rows or drawn == rows
        rows = drawn
        part = {row.unit: int(row.part) for row in rows}
        for unit in units:
            roles[unit.key].append(splits[unit.key])
            own = part[{"video": unit.video, "group": unit.group}.get(rule, unit.key)]
            expected = {fold: "test", (fold + 1) % 4: "validation"}.get(own, "train")
            assert splits[unit.key] == expected
    for found in roles.values():
        assert Counter(found) == {"train": 2, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (_settings("group", folds=3, fold=2), "group player, 3 folds, seed 7"),
        (_settings("group", group="match"), "group match, 0.7 train, 0.2 validation, seed 7"),
        (_settings("video", folds=3), "video, 3 folds, seed 7"),
        (_settings("stroke", train_ratio=0.6), "stroke, 0.6 train, 0.2 validation, seed 7"),
    ],
)
def test_rows_say_by_which_rule_they_were_drawn(settings: SplitSettings, rule: str) -> None:
    rows = _assign(_players(5, 1), settings, seed=7)[1]
    assert {row.rule for row in rows} == {rule}
    assert [row.unit for row in rows] == sorted(row.unit for row in rows)


# --- strokes ---

# Clips of each class of MediaEval 2022: published for train and validation; the totals, of which
# test has the rest, are those that the rule explains, and must sum to 1,155.
MEDIAEVAL_2022: list[tuple[tuple[int, ...], int, int]] = [
    ((107,), 75, 21), ((83,), 58, 17), ((80,), 56, 16), ((81, 82), 57, 16), ((94,), 66, 19),
    ((80,), 56, 16), ((61, 62), 43, 12), ((86,), 60, 17), ((81, 82), 57, 16), ((64,), 45, 13),
    ((33,), 23, 7), ((44, 45), 31, 9), ((40,), 28, 8), ((30,), 21, 6), ((34,), 24, 7),
    ((33,), 23, 7), ((11, 12), 8, 2), ((41, 42), 29, 8), ((8, 9), 6, 2), ((27,), 19, 5),
    ((31, 32), 22, 6),
]  # fmt: skip
TOTALS = [t for t in product(*(row[0] for row in MEDIAEVAL_2022)) if sum(t) == 1155]


def test_there_are_28_ways_to_read_the_totals_of_mediaeval_2022() -> None:
    # Eight totals are open, and six of them must be the larger one.
    assert len(TOTALS) == 28


@pytest.mark.parametrize("totals", TOTALS)
def test_strokes_reproduce_mediaeval_2022(totals: tuple[int, ...]) -> None:
    units = [
        _unit(n, "v", label=f"class {c}") for c, total in enumerate(totals) for n in range(total)
    ]
    units = [unit._replace(key=f"{unit.label} {unit.key}") for unit in units]
    splits = _placed(units, _settings("stroke"))
    found = Counter((unit.label, splits[unit.key]) for unit in units)
    for c, (total, (_, train, validation)) in enumerate(zip(totals, MEDIAEVAL_2022, strict=True)):
        assert found[f"class {c}", "train"] == train
        assert found[f"class {c}", "validation"] == validation
        assert found[f"class {c}", "test"] == total - train - validation
    assert Counter(splits.values()) == {"train": 807, "validation": 230, "test": 118}


def _of_class(count: int, label: str, start: int = 0) -> list[Unit]:
    return [_unit(start + n, f"v{label}", "", label) for n in range(count)]


@given(st.integers(3, 200), st.integers(0, 10))
def test_strokes_round_within_each_class(count: int, tenths: int) -> None:
    settings = _settings("stroke", train_ratio=tenths / 10, validation_ratio=(10 - tenths) / 20)
    found = Counter(_placed(_of_class(count, "A"), settings).values())
    assert sum(found.values()) == count
    assert abs(found["train"] - tenths * count / 10) <= 0.5 + 1e-9
    validation = (10 - tenths) * count / 20
    assert validation - 1.5 <= found["validation"] <= validation + 0.5 + 1e-9


@pytest.mark.parametrize("count", [3, 7, 11, 15, 19])
def test_two_roundings_upwards_leave_nothing_for_test(count: int) -> None:
    settings = _settings("stroke", train_ratio=0.5, validation_ratio=0.5)
    found = Counter(_placed(_of_class(count, "A"), settings).values())
    assert found == {"train": (count + 1) // 2, "validation": count // 2}


@given(st.integers(3, 60), st.integers(3, 60), st.integers(3, 7))
def test_folds_of_strokes_differ_by_one_in_each_class(one: int, other: int, folds: int) -> None:
    units = _of_class(one, "A") + _of_class(other, "B")
    if len(units) < folds:
        return
    rows = _assign(units, _settings("stroke", folds=folds))[1]
    for label in "AB":
        sizes = Counter(row.part for row in rows if row.unit.startswith(f"v{label}"))
        found = [sizes[str(part)] for part in range(folds)]
        assert max(found) - min(found) <= 1


def test_odd_strokes_do_not_all_go_to_the_same_fold() -> None:
    units = [unit for n in range(40) for unit in _of_class(4, f"{n:02}")]
    sizes = Counter(row.part for row in _assign(units, _settings("stroke", folds=3))[1])
    # 40 classes of 4 leave 40 over; by chance alone, 13 a fold.
    assert all(40 + 4 < sizes[part] < 40 + 24 for part in "012")


@given(UNITS, st.integers(0, 60), FOLDS)
def test_another_class_does_not_change_the_draw_of_strokes(
    units: list[Unit], added: int, folds: Any
) -> None:
    settings = _settings("stroke", folds=folds)
    others = _of_class(added, "Z")
    if len(units) >= 4:
        assert _placed(units, settings).items() <= _placed(others + units, settings).items()


def test_classes_of_equal_size_are_drawn_differently() -> None:
    splits = _placed(_of_class(30, "A") + _of_class(30, "B"), _settings("stroke"))
    assert any(splits[f"vA:{n}"] != splits[f"vB:{n}"] for n in range(30))


@given(st.integers(3, 40), st.integers(0, 40), st.integers(0, 20))
def test_new_strokes_fill_up_their_class(old: int, added: int, other: int) -> None:
    settings = _settings("stroke")
    units = _of_class(old, "A")
    before, rows, _ = _assign(units, settings)
    units += _of_class(added, "A", start=old) + _of_class(other, "B")
    after, grown, errors = _assign(units, settings, kept=rows)
    assert not errors
    assert before.items() <= after.items()
    for label, count in (("A", old + added), ("B", other)):
        found = Counter(after[unit.key] for unit in units if unit.label == label)
        held = Counter(before[unit.key] for unit in units[:old] if unit.label == label)
        train = round(0.7 * count)
        validation = min(round(0.2 * count), count - train)
        targets = {"train": train, "validation": validation, "test": count - train - validation}
        # What is above its target already gets nothing more, and nothing else gets above.
        for split in SPLITS:
            assert held[split] <= found[split] <= max(targets[split], held[split])
        if all(held[split] <= targets[split] for split in SPLITS):
            assert found == Counter(targets)
    assert {row.unit for row in grown} == {unit.key for unit in units}


# --- whole videos and groups ---


@given(UNITS, SAME, WHOLE, FOLDS, st.integers(0, 3), st.floats(0, 1), st.floats(0, 1))
def test_nothing_parts_and_no_split_is_empty(
    units: list[Unit],
    same: list[frozenset[str]],
    rule: str,
    folds: Any,
    seed: int,
    train: float,
    validation: float,
) -> None:
    settings = _settings(
        rule, folds=folds, train_ratio=train, validation_ratio=min(validation, 1 - train)
    )
    splits, rows, errors = _assign(units, settings, seed=seed, same=same)
    components = _components(units, rule, same)
    parts = 3 if folds == "none" else folds
    if len(components) < parts:
        assert len(errors) == 1 and not splits
        return
    assert not errors
    assert splits.keys() == {unit.key for unit in units}
    assert set(splits.values()) == set(SPLITS)
    assert len({row.part for row in rows}) == parts
    part_of = {row.unit: row.part for row in rows}
    for component in components:
        inside = [unit for unit in units if unit.video in component]
        assert len({splits[unit.key] for unit in inside}) == 1
        assert len({part_of[unit.group if rule == "group" else unit.video] for unit in inside}) == 1


def test_videos_of_equal_size_are_drawn_by_the_ratios() -> None:
    units = [_unit(n, f"v{n}") for n in range(20)]
    found = Counter(_placed(units, _settings("video")).values())
    assert found == {"train": 14, "validation": 4, "test": 2}


def _brute_force(
    units: Sequence[Unit], ratios: Mapping[Any, float], held: Mapping[str, Any]
) -> float:
    groups = sorted({unit.group for unit in units} - held.keys())
    best = float("inf")
    for parts in product(ratios, repeat=len(groups)):
        part_of = dict(held) | dict(zip(groups, parts, strict=True))
        if {part_of[unit.group] for unit in units} == set(ratios):
            place = {unit.key: part_of[unit.group] for unit in units}
            best = min(best, _cost(units, place, ratios))
    return best


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("folds", ["none", 3])
@pytest.mark.parametrize("holding", [0, 2])
def test_few_groups_are_stratified_as_well_as_they_can_be(
    case: int, folds: Any, holding: int
) -> None:
    """Found by looking at all assignments; tolerance: one part in a million."""
    units = _players(4 + case % 3, case, largest=9)
    settings = _settings("group", folds=folds)
    ratios = RATIOS if folds == "none" else dict.fromkeys("012", 1 / 3)
    rule = _assign(units, settings)[1][0].rule
    held = {f"p{n}": list(ratios)[n] for n in range(holding)}
    kept = [Placement(rule=rule, unit=group, part=part) for group, part in held.items()]
    rows = _assign(units, settings, kept=kept)[1]
    part_of = {row.unit: row.part for row in rows}
    own = _cost(units, {unit.key: part_of[unit.group] for unit in units}, ratios)
    best = _brute_force(units, ratios, held)
    assert best - 1e-9 <= own <= best * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize("case", range(3))
@pytest.mark.parametrize("folds", ["none", 3])
def test_no_move_and_no_swap_would_stratify_better(case: int, folds: Any) -> None:
    units = _players(14, 50 + case, largest=20)
    ratios = RATIOS if folds == "none" else dict.fromkeys("012", 1 / 3)
    part_of = {row.unit: row.part for row in _assign(units, _settings("group", folds=folds))[1]}
    own = _cost(units, {unit.key: part_of[unit.group] for unit in units}, ratios)
    moves = [part_of | {group: part} for group in part_of for part in ratios]
    swaps = [
        part_of | {one: part_of[other], other: part_of[one]}
        for one, other in combinations(part_of, 2)
    ]
    for changed in moves + swaps:
        if set(changed.values()) == set(ratios):
            place = {unit.key: changed[unit.group] for unit in units}
            assert own <= _cost(units, place, ratios) + 1e-5


@pytest.mark.parametrize("count", [8, 17, 60])
@pytest.mark.parametrize("case", range(3))
def test_folds_are_stratified_at_least_as_well_as_by_scikit_learn(count: int, case: int) -> None:
    units = _players(count, 100 + case, largest=30)
    labels = [unit.label for unit in units]
    groups = [unit.group for unit in units]
    theirs: dict[str, int] = {}
    method = StratifiedGroupKFold(4, shuffle=True, random_state=case)
    for fold, (_, tested) in enumerate(method.split(labels, labels, groups)):
        theirs |= {units[n].key: fold for n in tested}
    part_of = {row.unit: row.part for row in _assign(units, _settings("group", folds=4))[1]}
    ours = {unit.key: part_of[unit.group] for unit in units}
    quarter = dict.fromkeys("0123", 0.25)
    their_cost = _cost(units, theirs, dict.fromkeys(range(4), 0.25))
    assert _cost(units, ours, quarter) <= their_cost + 1e-6
    # Theirs: the spread of each class over the folds, averaged over the classes.
    assert _spread(units, ours) <= 1.05 * _spread(units, theirs)


def _spread(units: Sequence[Unit], place: Mapping[str, Any]) -> float:
    totals = Counter(unit.label for unit in units)
    found = Counter((unit.label, str(place[unit.key])) for unit in units)
    return float(
        np.mean([np.std([found[c, part] / n for part in "0123"]) for c, n in totals.items()])
    )


def test_many_groups_get_every_class_to_the_sample() -> None:
    units = _players(2000, 5, largest=10)
    splits = _placed(units, _settings("group"))
    totals = Counter(unit.label for unit in units)
    found = Counter((str(splits[unit.key]), unit.label) for unit in units)
    for split, ratio in RATIOS.items():
        for label, total in totals.items():
            assert abs(found[split, label] - ratio * total) <= 2


def test_samples_without_group_are_errors_and_the_others_are_drawn() -> None:
    units = _players(6, 1) + [_unit(n, "x", "") for n in range(900, 903)]
    splits, rows, errors = _assign(units, _settings("group", group="match"))
    assert splits.keys() == {unit.key for unit in units if unit.group}
    assert len(rows) == 6
    assert len(errors) == 1
    assert errors[0].startswith("a.csv:902: video 'x' has samples without match")


def test_groups_of_one_content_stay_together() -> None:
    units = [_unit(n, f"v{n}", f"p{n}") for n in range(8)]
    for one, other in combinations(range(8), 2):
        splits = _placed(units, _settings("group"), same=[frozenset({f"v{one}", f"v{other}"})])
        assert splits[units[one].key] == splits[units[other].key]


def test_copies_without_samples_fill_no_split() -> None:
    units = [_unit(n, f"v{n}") for n in range(3)]
    same = [frozenset({f"x{n}", f"y{n}"}) for n in range(9)]
    assert set(_placed(units, _settings("video"), same=same).values()) == set(SPLITS)


def test_ties_that_leave_too_few_are_told() -> None:
    units = [_unit(n, f"v{n}") for n in range(4)]
    same = [frozenset({"v0", "v1"}), frozenset({"v1", "v2"})]
    splits, rows, errors = _assign(units, _settings("video"), same=same)
    assert not splits and not rows
    assert len(errors) == 1
    assert "none of 4 videos is left for" in errors[0] and "tie them into 2" in errors[0]
    _, _, errors = _assign(units, _settings("video", folds=3), same=same)
    assert "is left for fold " in errors[0]


# --- what an earlier run has placed ---


@given(UNITS, UNITS, SAME, SAME, WHOLE, FOLDS, st.data())
def test_what_is_placed_stays(
    units: list[Unit],
    others: list[Unit],
    same: list[frozenset[str]],
    later: list[frozenset[str]],
    rule: str,
    folds: Any,
    data: st.DataObject,
) -> None:
    settings = _settings(rule, folds=folds)
    first, rows, errors = _assign(units, settings, same=same)
    if errors:
        return
    # Some videos are gone for a run, others are new, and duplicates may have come to light.
    gone = data.draw(st.sets(st.sampled_from(sorted({unit.video for unit in units}))))
    remaining = [unit for unit in units if unit.video not in gone]
    added = [unit._replace(key=f"new {unit.key}") for unit in others]
    second, more, errors = _assign(remaining + added, settings, same=same + later, kept=rows)
    assert {row.unit: row for row in rows}.items() <= {row.unit: row for row in more}.items()
    if not errors:
        assert second == {key: first.get(key, split) for key, split in second.items()}
        assert second.keys() == {unit.key for unit in remaining + added}
    third, _, errors = _assign(units, settings, same=later, kept=more)
    assert not errors
    assert third == first


def test_new_videos_fill_the_gaps_between_the_kept_ones() -> None:
    units = [_unit(n, f"v{n}") for n in range(10)]
    rule = "video, 0.7 train, 0.2 validation, seed 1"
    kept = [Placement(rule=rule, unit=f"v{n}", part="train") for n in range(7)]
    splits, rows, _ = _assign(units, _settings("video"), kept=kept)
    assert Counter(splits.values()) == {"train": 7, "validation": 2, "test": 1}
    assert rows[:7] == kept


def test_rows_of_another_rule_count_for_nothing_and_stay() -> None:
    units = _players(6, 2)
    before = _assign(units, _settings("group"), seed=1)[1]
    gone = Placement(rule=before[0].rule, unit="gone", part="test")
    for settings, seed in (
        (_settings("group", group="match"), 1),
        (_settings("group"), 2),
        (_settings("group", train_ratio=0.6), 1),
        (_settings("group", folds=3), 1),
        (_settings("video"), 1),
    ):
        splits, rows, errors = _assign(units, settings, seed=seed)
        kept = _assign(units, settings, seed=seed, kept=[*before, gone])
        assert (kept[0], kept[2]) == (splits, errors)
        assert set(kept[1]) == {*rows, *before, gone}
        # Back at the first rule, everything is where it was.
        assert _assign(units, _settings("group"), seed=1, kept=kept[1])[1] == kept[1]
    assert gone in _assign(units, _settings("group"), kept=[*before, gone])[1]


VIDEO_RULE = "video, 0.7 train, 0.2 validation, seed 1"


def _kept(**parts: str) -> list[Placement]:
    return [Placement(rule=VIDEO_RULE, unit=unit, part=part) for unit, part in parts.items()]


def test_a_copy_joins_what_is_placed_even_if_that_has_no_sample_now() -> None:
    units = [_unit(n, f"v{n}") for n in range(6)]
    kept = _kept(v0="test", absent="test")
    same = [frozenset({"v0", "v1"}), frozenset({"absent", "v2"})]
    splits = _placed(units, _settings("video"), same=same, kept=kept)
    # A draw would give test one of six.
    assert splits["v0:0"] == splits["v1:1"] == splits["v2:2"] == "test"


def test_places_win_over_copies_that_are_found_later() -> None:
    units = [_unit(n, f"v{n}") for n in range(4)]
    kept = _kept(v0="train", v1="test", v2="test")
    same = [frozenset({"v0", "v1", "v2", "v3"})]
    splits, _, errors = _assign(units, _settings("video"), same=same, kept=kept)
    assert len(errors) == 1 and "left for validation" in errors[0]
    units.append(_unit(4, "v4"))
    splits = _placed(units, _settings("video"), same=same, kept=kept)
    assert list(splits.values()) == ["train", "test", "test", "test", "validation"]


def test_kept_places_that_leave_a_split_empty_are_told() -> None:
    units = [_unit(n, f"v{n}") for n in range(3)]
    kept = _kept(v0="train", v1="train", v2="validation")
    splits, rows, errors = _assign(units, _settings("video"), kept=kept)
    assert not splits
    assert rows == kept
    assert len(errors) == 1
    assert "left for test" in errors[0] and "delete splits.csv" in errors[0]


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (_kept(v0="trian"), "'v0' is in trian, but it must be in one of train, validation, test"),
        (_kept(v0="1"), "'v0' is in 1"),
        (_kept(v0="train") + _kept(v0="test"), "'v0' is in test and train"),
    ],
)
def test_rows_that_cannot_be_are_told(kept: list[Placement], message: str) -> None:
    units = [_unit(n, f"v{n}") for n in range(6)]
    splits, rows, errors = _assign(units, _settings("video"), kept=kept)
    assert len(errors) == 1
    assert errors[0].startswith("splits.csv: ") and message in errors[0]
    assert (splits, rows) == _assign(units, _settings("video"))[:2]


def test_a_row_may_stand_twice() -> None:
    units = [_unit(n, f"v{n}") for n in range(6)]
    rows = _assign(units, _settings("video"))[1]
    assert _assign(units, _settings("video"), kept=rows + rows)[1] == rows


def test_odd_names_are_drawn_like_others() -> None:
    names = ["-v", "v w", "ü", "v\n1", "0", "train", "日本", '"', "'", "a,b"]
    units = [_unit(n, name, name, name) for n, name in enumerate(names)]
    for rule in ("video", "group"):
        splits, rows, errors = _assign(units, _settings(rule))
        assert not errors
        assert set(splits.values()) == set(SPLITS)
        assert {row.unit for row in rows} == set(names)


def test_pairs_of_videos_under_test_differ() -> None:
    # Guards the helper that the property above trusts.
    units = [_unit(0, "a", "p"), _unit(1, "b", "p"), _unit(2, "c", "q")]
    assert len(_components(units, "group", [])) == 2
    assert len(_components(units, "video", [])) == 3
    assert len(_components(units, "group", [frozenset({"b", "c"})])) == 1
    assert all(not one & other for one, other in combinations(_components(units, "video", []), 2))
