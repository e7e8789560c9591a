"""What checks found, as lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from twinstroke.findings import Finding

SHOWN = {"error": 8, "warning": 2}
"""Lines of one check; the others are counted."""


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Give a line for each finding, and where one check found many, how many more there are.

    Args:
        findings: All errors, or all warnings.
    """
    shown: Counter[str] = Counter()
    totals = _sums((item.check, item.times) for item in findings)
    for item in findings:
        shown[item.check] += 1
        most = SHOWN[item.severity]
        if shown[item.check] <= most:
            yield str(item)
        if shown[item.check] == most + 1:
            yield (
                f"… and {totals[item.check] - most:,} more of this kind ({item.check}): see "
                "findings.csv in the reports of the preset"
            )


def report(findings: Sequence[Finding]) -> Iterator[str]:
    """Give errors, then warnings, and last how many of each there are."""
    sizes = _sums((item.severity, item.times) for item in findings)
    for severity in ("error", "warning"):
        for line in lines([item for item in findings if item.severity == severity]):
            yield f"{severity}: {line}"
    yield ", ".join(f"{sizes[s]:,} {s}{'' if sizes[s] == 1 else 's'}" for s in ("error", "warning"))


def _sums(items: Iterable[tuple[str, int]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for name, times in items:
        sums[name] += times
    return sums
