"""A comparison as Markdown that can be pasted into a paper's draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twinstroke.compare.pairs import Comparison, Paired, Row
from twinstroke.evaluate.intervals import RESAMPLES, Interval

SAMPLES_SHOWN = 20
FEWEST_DISCORDANT = 10
"""Of 4 : 0 samples the bootstrap's interval leaves 0 out, though the exact p is 0.125."""
RULES = {
    "single": "one window in the middle of each stroke",
    "vote": "vote of all windows of a stroke",
    "mean": "mean probability of all windows of a stroke",
    "gaussian": "mean probability of all windows of a stroke, those in its middle counting more",
}


def markdown(comparison: Comparison, preset: str, split: str, notes: Sequence[str] = ()) -> str:
    """Write a comparison down.

    Args:
        comparison: What was found.
        preset: Name of the data set and scale.
        split: Name of the split.
        notes: Further things to know, one line each.

    Returns:
        Text that ends in a newline; the same for the same input.
    """
    first = comparison.rows[0]
    parts = [
        f"# Compared with {_named(first)}: {', '.join(map(_named, comparison.rows[1:]))}",
        f"Preset {preset}, {split} split: {_count(comparison.n, 'sample')} of "
        f"{_count(comparison.units, comparison.unit)}"
        f"{' (players, as a rule)' if comparison.unit == 'group' else ''}. Decision: "
        f"{comparison.decision}, {RULES[comparison.decision]}.",
        _main_table(comparison),
        "\n".join(f"- {line}" for line in [*_explanations(comparison), *notes]),
        "## Classes",
        _classes(comparison),
        "## Samples",
        _samples(comparison),
    ]
    return "\n\n".join(parts) + "\n"


def _main_table(comparison: Comparison) -> str:
    several = len(comparison.rows) > 2
    head = [
        "experiment",
        "settings that differ",
        "accuracy (95 %)",
        "difference, points",
        f"95 % over {_count(comparison.units, comparison.unit)}",
        f"95 % over {_count(comparison.n, 'sample')}",
        "only it right : only the first",
        "McNemar p",
        *(["p (Holm)"] if several else []),
    ]
    lines = []
    for row in comparison.rows:
        cells = [
            _named(row),
            row.settings or "–",
            f"{row.right}/{comparison.n} = {100 * row.accuracy:.1f} % "
            f"({100 * row.low:.1f} to {100 * row.high:.1f})",
        ]
        cells += _paired(row.against_first, several)
        lines.append(cells)
    return table(head, lines)


def _paired(paired: Paired | None, several: bool) -> list[str]:
    if paired is None:
        return ["–"] * (6 if several else 5)
    return [
        _points(paired.difference),
        _interval(paired.over_units),
        _interval(paired.over_samples),
        f"{paired.only_this} : {paired.only_first}",
        _p(paired.p),
        *([_p(paired.p_holm)] if several else []),
    ]


def _explanations(comparison: Comparison) -> list[str]:
    """How each column was made, and what it may be used for."""
    (paired, *_) = (row.against_first for row in comparison.rows if row.against_first)
    unit = comparison.unit
    lines = [
        f"Accuracy with Wilson's interval. Differences are to {_named(comparison.rows[0])}, on the "
        "same samples."
    ]
    if paired.over_units is None:
        lines.append(
            f"All samples are of one {unit}, so nothing is said about others, and no interval over "
            f"{unit}s is given."
        )
    else:
        lines.append(
            f"The interval over {unit}s is the one for new {unit}s, since samples of one {unit} "
            f"are not independent: {_method(paired.over_units, unit)}."
        )
    if paired.over_samples is not None:
        lines.append(
            f"The interval over samples holds for these {unit}s only, and takes their samples as "
            f"independent: {_method(paired.over_samples, 'sample')}."
        )
    decided = {
        row.name: own.only_this + own.only_first
        for row in comparison.rows
        if (own := row.against_first)
    }
    for row in comparison.rows:
        if decided.get(row.name) == 0:
            lines.append(
                f"{_named(row)} is right about exactly the samples about which "
                f"{_named(comparison.rows[0])} is right: nothing tells them apart, and intervals "
                "of no width do not mean that they are equal."
            )
    few = [row for row in comparison.rows if 0 < decided.get(row.name, 0) < FEWEST_DISCORDANT]
    if few:
        lines.append(
            f"Only {', '.join(_discordant(row) for row in few)} decide about "
            f"{', '.join(map(_named, few))}: resampling so few makes the interval over samples too "
            "short, so rely on McNemar's p."
        )
    lines.append(
        "McNemar's test (exact, two-sided) also takes samples as independent: if those of one "
        f"{unit} are alike, its p is too small."
    )
    if len(comparison.rows) > 2:
        lines.append(
            f"p (Holm) is adjusted for {len(comparison.rows) - 1} comparisons, so that the "
            "chance of finding any difference where there is none is at most 5 %."
        )
    return lines


def _discordant(row: Row) -> str:
    paired = row.against_first
    return _count(paired.only_this + paired.only_first if paired else 0, "sample")


def _method(interval: Interval, unit: str) -> str:
    if interval.method == "bootstrap":
        return (
            f"paired bootstrap, {interval.units} {unit}s resampled {RESAMPLES:,} times, percentiles"
        )
    return (
        f"Student's t over {interval.units} {unit}s ({interval.units - 1} degrees of freedom), "
        "because so few cannot be resampled; their scatter is known badly, so of several intervals "
        "rely on the widest"
    )


def _classes(comparison: Comparison) -> str:
    if not comparison.classes:
        return "Of each class, equally many samples are recognised."
    head = ["class", "n", *(f"{_named(row)}: right" for row in comparison.rows)]
    lines = [[own.label, str(own.n), *map(str, own.right)] for own in comparison.classes]
    return f"Those of which not equally many are recognised:\n\n{table(head, lines)}"


def _samples(comparison: Comparison) -> str:
    turned = [own for own in comparison.samples if own.turned]
    alike = len(comparison.samples) - len(turned)
    other = f" {_count(alike, 'further sample')} got different wrong names." if alike else ""
    if not turned:
        return f"Every sample is right in all experiments or in none.{other}"
    head = ["sample", "actual", *(_named(row) for row in comparison.rows)]
    lines = [
        [own.sample, own.actual, *("**right**" if p == own.actual else p for p in own.predicted)]
        for own in turned[:SAMPLES_SHOWN]
    ]
    of = f"; the first {SAMPLES_SHOWN}" if len(turned) > SAMPLES_SHOWN else ""
    return (
        f"Right in some and wrong in others: {len(turned)}{of}, with what they were taken for."
        f"{other} All are in comparison.json.\n\n{table(head, lines)}"
    )


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table, whatever its cells hold."""
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in cells
    )


def _named(row: Row) -> str:
    return f"{row.name} ({row.commit})" if row.commit else row.name


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _interval(interval: Interval | None) -> str:
    return "–" if interval is None else f"{_points(interval.low)} to {_points(interval.high)}"


def _points(part: float) -> str:
    """Percentage points with their sign; a minus that is no hyphen."""
    value = round(100 * part, 1)
    return f"{value:+.1f}".replace("-", "−") if value else "0.0"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
