"""How a sitting is shown: one table for people, one JSON document for programs.

Answers for: every figure appears, also the one that falls short and the case that failed.
Must never: judge; the verdicts come from `figures`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.table import Table

from benchmarks.figures import Figure, Mark, spread

_COLOURS = {"aim": "green", "first line": "yellow", "SHORT": "red", "": ""}


class Remarks(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known about a sitting as a whole."""

    runs: int
    lasted_s: float
    foreign_share: float
    """CPU that others used or the host withheld while we measured, as a share of the machine."""
    failed: dict[str, str]
    """Cases without a figure, and why."""

    def lines(self, figures: Sequence[Figure]) -> list[str]:
        """Whole sentences for under the table."""
        said = [f"{case} has no figure: {why}" for case, why in self.failed.items()]
        said += [f"{figure.case}, {figure.what}: {figure.note}." for figure in figures if figure.note]
        noisy = [f"{figure.case}: {figure.what}" for figure in figures if figure.is_noisy]
        if noisy:
            said.append(f"Noisy, the runs lie more than a quarter apart: {'; '.join(noisy)}.")
        if self.foreign_share > 0.1:
            said.append(
                f"Others had {self.foreign_share:.0%} of this machine meanwhile: look at ratios only, run again."
            )
        said.append(f"{self.runs} runs a side, {self.lasted_s:.0f} s in all. Only ratios of one sitting compare.")
        return said


def table(figures: Sequence[Figure]) -> Table:
    """One row a figure."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("case", "figure", "value", "spread", "limit", "of limit", "ratio", "first line", "aim", "verdict"):
        drawn.add_column(name, justify="right" if name in ("value", "spread", "of limit", "ratio") else "left")
    for figure in figures:
        drawn.add_row(*_row(figure), style=_COLOURS[figure.verdict])
    return drawn


def document(figures: Sequence[Figure], remarks: Remarks) -> dict[str, Any]:
    """The same for programs, with every run's value."""
    rows = [
        {**msgspec.to_builtins(figure), "value": figure.value, "ratio": figure.ratio, "verdict": figure.verdict}
        for figure in figures
    ]
    return {"figures": rows, **msgspec.to_builtins(remarks), "remarks": remarks.lines(figures)}


def _row(figure: Figure) -> tuple[str, ...]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    apart = f"{spread(figure.values):.0%}" if len(figure.values) > 1 else ""
    limit = number(figure.value / figure.ratio) if figure.ratio else ""
    first = " or ".join(_line(mark, mark.first_line) for mark in figure.marks)
    aim = " or ".join(_line(mark, mark.aim) for mark in figure.marks)
    value = f"{number(figure.value)} {figure.unit}"
    return (figure.case, figure.what, value, apart, figure.limit, limit, ratio, first, aim, figure.verdict)


def _line(mark: Mark, line: float) -> str:
    sign = "≥" if mark.better == "more" else "≤"
    return f"{sign} {number(line)}{'x' if mark.of == 'ratio' else ''}"


def number(value: float) -> str:
    """Three digits that matter, thousands apart."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
