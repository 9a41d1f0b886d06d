"""How commands print: JSON for programs, tables and sentences for people.

This file answers for the form only. Results go to standard output, everything else to standard error, so that a pipe
carries results alone.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from adapters.cli.ending import Unread

if TYPE_CHECKING:
    from rich.progress import Progress


def line(text: str = "") -> None:
    """One line of the result."""
    with _as_long_as_it_is_read():
        sys.stdout.write(text + "\n")


def aside(text: str) -> None:
    """One line beside the result."""
    sys.stderr.write(text + "\n")


def as_json(value: object) -> None:
    """A value as one line of JSON."""
    line(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under their columns; None is a dash."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        shown.add_row(*("-" if value is None else _plain(value) for value in row))
    # Into a pipe nothing is cut: whoever reads it has no width.
    with _as_long_as_it_is_read():
        Console(width=None if sys.stdout.isatty() else 1_000, highlight=False, markup=False).print(shown)


def progress(stream: IO[str] | None = None) -> "Progress":
    """A progress bar beside the result, which is silent where nobody looks at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=stream or sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def instant(text: object) -> str | None:
    """An RFC 3339 instant as people read it: `2026-01-30 08:00:00.123`, in UTC; None where there is none."""
    if not isinstance(text, str):
        return None
    day, _, clock = text.removesuffix("Z").partition("T")
    seconds, _, fraction = clock.partition(".")
    return f"{day} {seconds}.{(fraction + '000')[:3]}"


def span(seconds: float) -> str:
    """A length of time as people say it: `12 ms`, `1.5 s`, `5 min`, `2 h 30 min`."""
    if 0 < seconds < 1:
        return f"{max(1, round(seconds * 1_000))} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"


@contextmanager
def _as_long_as_it_is_read() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read it has seen enough. The error itself would end the command with 1, by what typer does with it.
        raise Unread from None


def _plain(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
