"""`python -m benchmarks [CASE ...] [--runs N] [--json]`: runs the cases and prints one table.

Answers for: every case that was asked for ends up as figures or as a remark that says why it has none.
Must never: measure; the cases do, one file each.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec
from rich.console import Console

from benchmarks.cases import CASES
from benchmarks.figures import Figure
from benchmarks.parties import PartyFailed
from benchmarks.sitting import Sitting, Surroundings
from benchmarks.table import Remarks, document, table


def main() -> int:
    """0 when every figure reached its first line, 1 when one fell short or a case has none."""
    asked = _asked()
    signal.signal(signal.SIGTERM, _end)  # so that the blocks that own processes are left in order
    surroundings, started = Surroundings(), time.monotonic()
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        for name in asked.case or CASES:
            sitting = Sitting(runs=asked.runs, folder=Path(folder), say=_progress(name))
            try:
                figures += CASES[name](sitting)
            except PartyFailed as why:
                failed[name] = str(why)
    lasted_s = time.monotonic() - started
    remarks = Remarks(runs=asked.runs, lasted_s=lasted_s, foreign_share=surroundings.foreign_share(), failed=failed)
    _show(figures, remarks, as_json=asked.json)
    return int(bool(failed) or any(figure.verdict == "SHORT" for figure in figures))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures beside their limits.")
    parser.add_argument("case", nargs="*", choices=[*CASES, []], help="none: all of them")
    parser.add_argument("--runs", type=int, default=3, help="runs of each side, alternating (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    return parser.parse_args()


def _progress(case: str) -> Callable[[str], None]:
    # Standard error, so that the table or the JSON can be kept by itself.
    return lambda said: print(f"{case}: {said}", file=sys.stderr, flush=True)


def _show(figures: list[Figure], remarks: Remarks, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(document(figures, remarks))).decode())
        return
    # A terminal decides its own width; a file or a pipe gets what the table needs.
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table(figures))
    for line in remarks.lines(figures):
        console.print(line, highlight=False)


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    raise SystemExit(main())
