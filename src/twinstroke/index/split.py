"""Which samples train, validate and test.

Whole videos or groups are drawn so that every split gets its ratio of every class, as nearly as
they allow. With n samples of a class in a split, N in all and r the split's ratio, the draw lowers
the sum of ((n - rN) / N)² over splits and classes, where the number of samples of any class counts
like one class more: relative to the class, so that a rare one matters as much as a frequent one.
Blocks are dealt out in order of falling size, each to the split that it suits best; then one is
moved, or two change places, while that helps. Few blocks are dealt out several times.

The arithmetic is in whole numbers: the same data gives the same splits on every machine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.cluster.hierarchy import DisjointSet
from scipy.sparse import csr_array

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings, Place
from twinstroke.settings.index import SplitSettings
from twinstroke.tables import SPLITS, Split

SCALE = 2**22
"""All samples of a class; sums of products of 1,000 classes still fit into 64 bits."""
KEPT = "splits.csv"
"""Where a run keeps its draw."""
PLACE = Place("index.split")
"""What concerns no single video."""
SWEEPS = 20
"""Rounds of improvements at most; three or four usually leave nothing to improve."""
MOST_SWAPPED = 2 * 10**8
"""Blocks times entries of the table of shares up to which all pairs of blocks are looked at: 3,000
blocks of 21 classes. More blocks are each so small that moves will do."""
STARTS = 10
"""How often few blocks are dealt out; ten found the best of all draws of up to eight blocks."""


class Placement(BaseModel):
    """One row of ``splits.csv``: where something was put by a draw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    """All that the draw depends on besides the data: ``group player, 5 folds, seed 1``."""
    unit: str
    """Id of the video, group, or name of the sample."""
    part: str
    """Split, or number of the fold."""


def assign_splits(
    strokes: Mapping[str, Stroke],
    settings: SplitSettings,
    *,
    seed: int,
    same: Sequence[frozenset[str]],
    kept: Sequence[Placement],
    findings: Findings,
) -> tuple[dict[str, Split], list[Placement]]:
    """Give every sample its split.

    A draw depends on the set of samples, not on their order. What an earlier draw by the same rule
    has placed stays there, and only the rest is drawn; `index.split.fold` is no part of the rule.

    Args:
        strokes: All samples by their names, which are stable; each has a label.
        settings: The rule and its patterns, ratios or folds.
        seed: Of the rules that draw.
        same: Sets of videos of equal content. Rules ``video`` and ``group`` keep each together,
            and ``group`` all groups of one video too, so that no video is in two splits.
        kept: Rows that the last run wrote; those of another rule do not count.
        findings: Gets an error for each video that the rule cannot place, and if some part of a
            draw would stay empty.

    Returns:
        Splits by the name of the sample, without those that have an error; and the rows to keep,
        by rule and name, among them those of `kept` that are of other rules, or of no sample in
        `strokes`.
    """
    ordered = dict(sorted(strokes.items()))
    if settings.rule == "given":
        return _as_given(ordered, findings), list(kept)
    if settings.rule == "names":
        return _by_name(ordered, settings, findings), list(kept)
    return _drawn(ordered, settings, seed, same, kept, findings)


def _as_given(strokes: Mapping[str, Stroke], findings: Findings) -> dict[str, Split]:
    homeless: dict[str, Stroke] = {}
    splits: dict[str, Split] = {}
    for name, stroke in strokes.items():
        if stroke.split:
            splits[name] = stroke.split
        else:
            homeless.setdefault(stroke.video, stroke)
    for stroke in homeless.values():
        findings.error(
            "split",
            stroke.place,
            f"video {stroke.video!r} has samples of no split, but index.split.rule is given",
            "put its annotations or clip into a folder named train, validation or test (CSV: fill "
            "the column split), or choose another rule",
            video=stroke.video,
        )
    return splits


def _by_name(
    strokes: Mapping[str, Stroke], settings: SplitSettings, findings: Findings
) -> dict[str, Split]:
    matching: dict[str, list[Split]] = {}
    splits: dict[str, Split] = {}
    for name, stroke in strokes.items():
        video = stroke.video
        if video not in matching:
            found = matching[video] = [
                split
                for split in SPLITS
                if any(fnmatchcase(video, pattern) for pattern in getattr(settings, split))
            ]
            if len(found) != 1:
                findings.error(
                    "split",
                    stroke.place,
                    f"video {video!r} matches the patterns of {' and '.join(found) or 'no split'}",
                    "let index.split place every video in exactly one split",
                    video=video,
                )
        if len(matching[video]) == 1:
            splits[name] = matching[video][0]
    return splits


class _Parts(NamedTuple):
    """What a draw fills: the splits, or the folds."""

    names: Sequence[str]
    ratios: Sequence[float]
    splits: Sequence[Split]
    """What each part is used for."""


def _parts(settings: SplitSettings) -> _Parts:
    if settings.folds == "none":
        rest = max(0.0, 1 - settings.train_ratio - settings.validation_ratio)
        return _Parts(SPLITS, (settings.train_ratio, settings.validation_ratio, rest), SPLITS)
    count = settings.folds
    splits: list[Split] = ["train"] * count
    splits[settings.fold] = "test"
    splits[(settings.fold + 1) % count] = "validation"
    return _Parts([str(n) for n in range(count)], [1 / count] * count, splits)


def _rule_text(settings: SplitSettings, seed: int) -> str:
    rule = f"group {settings.group}" if settings.rule == "group" else settings.rule
    if settings.folds == "none":
        shares = f"{settings.train_ratio} train, {settings.validation_ratio} validation"
    else:
        shares = f"{settings.folds} folds"
    return f"{rule}, {shares}, seed {seed}"


def _drawn(
    strokes: Mapping[str, Stroke],
    settings: SplitSettings,
    seed: int,
    same: Sequence[frozenset[str]],
    kept: Sequence[Placement],
    findings: Findings,
) -> tuple[dict[str, Split], list[Placement]]:
    rule, parts = _rule_text(settings, seed), _parts(settings)
    by = settings.rule
    what = {
        "stroke": "samples",
        "video": "videos",
        "group": f"groups (column {settings.group})",
    }[by]
    if by == "group":
        strokes = _with_group(strokes, settings.group, findings)
    unit_of = {
        name: name if by == "stroke" else str(getattr(stroke, by))
        for name, stroke in strokes.items()
    }
    count = len(set(unit_of.values()))
    held = _held(kept, rule, parts.names, findings)
    placed: dict[str, int] = {}
    if count < len(parts.names):
        findings.error(
            "split",
            PLACE,
            f"{rule}: at least {len(parts.names)} {what} are needed, found {count}",
            "add some, or choose other folds or another rule",
        )
    elif by == "stroke":
        placed = _draw_strokes(strokes, settings, held, parts, seed)
    else:
        labels: dict[str, Counter[str]] = defaultdict(Counter)
        for name, stroke in strokes.items():
            labels[unit_of[name]][stroke.label or ""] += 1
        blocks = _tied(strokes.values(), by, same)
        placed = _draw_blocks(blocks, labels, held, parts.ratios, seed)
        filled = set(placed.values())
        empty = [name for n, name in enumerate(parts.names) if n not in filled]
        if empty:
            where = ("" if settings.folds == "none" else "fold ") + ", ".join(empty[:10])
            tied = sum(not labels.keys().isdisjoint(block) for block in blocks)
            findings.error(
                "split",
                PLACE,
                f"{rule}: none of {count} {what} is left for {where}: equal content or "
                f"common videos tie them into {tied}, or {KEPT} holds them elsewhere",
                f"add some, choose another rule, or delete {KEPT} to draw anew",
            )
            placed = {}
    splits = {name: parts.splits[placed[unit]] for name, unit in unit_of.items() if unit in placed}
    rows = [
        Placement(rule=rule, unit=unit, part=parts.names[part])
        for unit, part in sorted((held | placed).items())
    ]
    # To look at another rule or seed for once must not cost the places.
    others = [row for row in kept if row.rule != rule]
    return splits, sorted(others + rows, key=lambda row: (row.rule, row.unit, row.part))


def _held(
    kept: Iterable[Placement], rule: str, parts: Sequence[str], findings: Findings
) -> dict[str, int]:
    """Parts by name. A merge of two branches, or a person, may have written what cannot be."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in kept:
        if row.rule == rule:
            found[row.unit].add(row.part)
    number = {part: n for n, part in enumerate(parts)}
    held: dict[str, int] = {}
    for name, places in sorted(found.items()):
        if len(places) == 1 and places <= number.keys():
            held[name] = number[places.pop()]
        else:
            findings.error(
                "split",
                Place(KEPT),
                f"{name!r} is in {' and '.join(sorted(places))}, but it must be in one of "
                f"{', '.join(parts[:10])}",
                "delete its rows to draw it anew",
            )
    return held


def _with_group(
    strokes: Mapping[str, Stroke], column: str, findings: Findings
) -> dict[str, Stroke]:
    lonely: dict[str, Stroke] = {}
    for stroke in strokes.values():
        if not stroke.group:
            lonely.setdefault(stroke.video, stroke)
    for stroke in lonely.values():
        findings.error(
            "split",
            stroke.place,
            f"video {stroke.video!r} has samples without {column}, by which index.split draws",
            f"fill the column {column} here or in the table index.groups, or choose another rule",
            video=stroke.video,
        )
    return {name: stroke for name, stroke in strokes.items() if stroke.group}


def _draw_strokes(
    strokes: Mapping[str, Stroke],
    settings: SplitSettings,
    held: Mapping[str, int],
    parts: _Parts,
    seed: int,
) -> dict[str, int]:
    """Draw within each class, as the paper does, which puts one player into several splits."""
    classes: dict[str, list[str]] = defaultdict(list)
    for name, stroke in strokes.items():
        classes[stroke.label or ""].append(name)
    placed: dict[str, int] = {}
    for label, names in classes.items():
        # A stream for each class: what is added to one leaves the draw of the others alone.
        rng = np.random.default_rng([seed, *label.encode()])
        placed |= {name: held[name] for name in names if name in held}
        there = Counter(held[name] for name in names if name in held)
        lacking = np.array(_targets(len(names), settings, parts))
        lacking -= [there[part] for part in range(len(lacking))]
        ties = rng.permutation(len(lacking))
        new = [name for name in names if name not in held]
        for number in rng.permutation(len(new)):
            part = int(np.lexsort((ties, lacking))[-1])
            placed[new[number]] = part
            lacking[part] -= 1
    return placed


def _targets(count: int, settings: SplitSettings, parts: _Parts) -> list[float]:
    """How many of the samples of one class each part should get."""
    if settings.folds != "none":
        return [count * ratio for ratio in parts.ratios]
    # Rounding as here, floating point included (0.7 · 45 is just below 31.5), gives the published
    # number of clips of every class of MediaEval 2022.
    train = round(settings.train_ratio * count)
    # Two roundings upwards may ask for one sample more than there is.
    validation = min(round(settings.validation_ratio * count), count - train)
    return [float(train), float(validation), float(count - train - validation)]


def _tied(strokes: Iterable[Stroke], by: str, same: Iterable[frozenset[str]]) -> list[list[str]]:
    """Give the sets of videos, or of groups, that must stay together; each ascending.

    Videos without samples may be among them: where they were put binds the others.
    """
    pairs = [((by, str(getattr(stroke, by))), ("video", stroke.video)) for stroke in strokes]
    for videos in same:
        pairs += [(("video", one), ("video", other)) for one, other in pairwise(sorted(videos))]
    ties = DisjointSet(chain.from_iterable(pairs))
    for one, other in pairs:
        ties.merge(one, other)
    return [sorted(name for kind, name in block if kind == by) for block in ties.subsets()]


def _draw_blocks(
    blocks: Iterable[Sequence[str]],
    labels: Mapping[str, Counter[str]],
    held: Mapping[str, int],
    ratios: Sequence[float],
    seed: int,
) -> dict[str, int]:
    """Draw whole blocks, stratified; no part stays empty if that can be.

    Args:
        blocks: What must stay together, by name.
        labels: Number of samples of each class; names without any are not placed.
        held: Parts of what stays where it is. A block is held with what it contains; if that lies
            in several parts, it stays there, and the rest joins the part with most of it.
        ratios: Of the parts.
        seed: Decides among equals.
    """
    placed: dict[str, int] = {}
    free: list[list[str]] = []
    for block in blocks:
        present = [name for name in block if name in labels]
        there = Counter(held[name] for name in block if name in held)
        if there:
            home = min(there, key=lambda part: (-there[part], part))
            placed |= {name: held.get(name, home) for name in present}
        elif present:
            free.append(present)
    fixed = [[name for name in placed if placed[name] == part] for part in range(len(ratios))]
    shares = _shares([_sum(labels[name] for name in block) for block in fixed + free])
    gap = shares[: len(ratios)].toarray()
    gap -= np.rint(np.outer(ratios, shares.sum(axis=0))).astype(np.int64)
    parts = _stratified(
        shares[len(ratios) :],
        gap,
        np.array([len(block) for block in fixed]),
        np.random.default_rng(seed),
    )
    for block, part in zip(free, parts, strict=True):
        placed |= dict.fromkeys(block, int(part))
    return placed


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _shares(blocks: Sequence[Counter[str]]) -> csr_array:
    """What each block holds of all samples, and of each class, times `SCALE`: (U, 1 + classes)."""
    totals = _sum(blocks)
    columns = {label: n for n, label in enumerate(sorted(totals), start=1)}
    entries = []
    for row, block in enumerate(blocks):
        entries.append((row, 0, round(SCALE * block.total() / totals.total())))
        entries += [
            (row, columns[label], round(SCALE * count / totals[label]))
            for label, count in block.items()
        ]
    rows, places, values = np.array(entries, np.int64).T
    return csr_array((values, (rows, places)), shape=(len(blocks), 1 + len(columns)))


def _stratified(
    shares: csr_array, gap: NDArray[np.int64], filled: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Put each block into a part, such that the sum of squares of the gaps is small.

    Args:
        shares: (U, C) what each of U blocks adds to a part.
        gap: (P, C) what each of P parts holds already, less what it should hold in the end.
        filled: (P,) how many things are in each part already.
        rng: Decides among blocks of equal size.

    Returns:
        (U,) parts.
    """
    blocks = len(shares.indptr) - 1
    sizes = shares[:, [0]].toarray()[:, 0]
    order = rng.permutation(blocks)
    best = _Filling(shares, gap, filled, order[np.argsort(-sizes[order], kind="stable")])
    for _ in range(1, min(STARTS, 1000 // max(1, blocks))):
        other = _Filling(shares, gap, filled, rng.permutation(blocks))
        if other.cost < best.cost:
            best = other
    return best.part


class _Filling:
    """Blocks that are dealt out in the given order, then moved and swapped while that helps."""

    def __init__(
        self,
        shares: csr_array,
        gap: NDArray[np.int64],
        filled: NDArray[np.int64],
        order: NDArray[np.int64],
    ) -> None:
        self._shares = shares
        self._squares = shares.multiply(shares).sum(axis=1)
        self._gap = gap.copy()
        self._filled = filled.copy()
        self._products: NDArray[np.int64] | None = None
        self.part = np.full(len(order), -1)
        """(U,) where each block is."""
        for block in order:
            columns, values = self._row(block)
            self._put(block, int(np.argmin(self._gap[:, columns] @ values)))
        self._occupy()
        for _ in range(SWEEPS):
            if not sum([self._improve(block) for block in order]):
                break

    @property
    def cost(self) -> int:
        """Sum of squares of the gaps."""
        return int(np.square(self._gap).sum())

    def _row(self, block: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        own = slice(self._shares.indptr[block], self._shares.indptr[block + 1])
        return self._shares.indices[own], self._shares.data[own]

    def _put(self, block: int, part: int) -> None:
        columns, values = self._row(block)
        old = self.part[block]
        if old >= 0:
            self._gap[old, columns] -= values
            self._filled[old] -= 1
        self._gap[part, columns] += values
        self._filled[part] += 1
        self.part[block] = part
        self._products = None

    def _occupy(self) -> None:
        """Give each empty part the block whose loss costs least."""
        for part in np.flatnonzero(self._filled == 0).tolist():
            spare = np.flatnonzero(self._filled[self.part] > 1).tolist()
            if spare:
                self._put(min(spare, key=lambda block: self._changes(block)[part]), part)

    def _changes(self, block: int) -> NDArray[np.int64]:
        """(P,) half of what moving a block to each other part adds to the cost; own part: more."""
        columns, values = self._row(block)
        products = self._gap[:, columns] @ values
        result: NDArray[np.int64] = products - products[self.part[block]] + self._squares[block]
        return result

    def _improve(self, block: int) -> bool:
        """Move a block, or swap it with another one, if that lowers the cost."""
        own = self.part[block]
        changes = self._changes(block)
        part = int(np.argmin(changes)) if self._filled[own] > 1 else own
        lowest, partner = changes[part], None
        if len(self.part) * self._shares.nnz <= MOST_SWAPPED:
            swaps = self._swaps(block, changes)
            if swaps.min() < lowest:
                partner = int(np.argmin(swaps))
                lowest, part = swaps[partner], self.part[partner]
        if lowest >= 0:
            return False
        self._put(block, part)
        if partner is not None:
            self._put(partner, own)
        return True

    def _swaps(self, block: int, changes: NDArray[np.int64]) -> NDArray[np.int64]:
        """(U,) half of what changing places with each block adds to the cost; own part: more."""
        if self._products is None:
            self._products = self._shares @ self._gap.T
        back = self._squares + self._products[:, self.part[block]]
        back -= np.take_along_axis(self._products, self.part[:, None], axis=1)[:, 0]
        common = self._shares @ self._shares[[block]].toarray()[0]
        result: NDArray[np.int64] = changes[self.part] + back - 2 * common
        return result
