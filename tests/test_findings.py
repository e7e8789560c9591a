"""A million findings stay few in memory and on the screen, and are counted all the same."""

from __future__ import annotations

import pytest

from twinstroke.findings import LIMIT, Findings, Place
from twinstroke.index.report import report


@pytest.mark.parametrize("number", [1, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, 3 * LIMIT])
def test_what_is_beyond_the_limit_is_counted_also_when_passed_on(number: int) -> None:
    first = Findings()
    for row in range(number):
        first.error("time", Place("a.csv", str(row)), "x", "y")
    assert len(first.errors) == min(number, LIMIT + 1)
    second, third = Findings(), Findings()
    second.extend(first.all)
    third.extend(second.as_warnings)
    assert second.all == first.all
    assert (second.count("error"), third.count("warning")) == (number, number)
    *_, last = report(second.all)
    assert last == f"{number:,} error{'' if number == 1 else 's'}, 0 warnings"


def test_what_breaks_a_line_does_not_break_a_finding() -> None:
    findings = Findings()
    findings.error("label", Place("a\nb.csv", "1"), "label 'x\r\ud800'", "mend\tit")
    (line,) = map(str, findings.all)
    assert line == r"a\nb.csv:1: label 'x\r\ud800'; mend\tit"
