"""The harness' hand on a load client: run one to its end, or let one run beside other measurements.

Answers for: a plan that was not accepted to the last message raises instead of giving a figure.
Must never: send anything itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.load import Plan, Report
from benchmarks.parties import Party, PartyFailed, party, python
from benchmarks.targets import free_port

_WITHIN_S = 300.0


def load(plan: Plan, folder: Path) -> Report:
    """Send a whole plan and return when the last message is answered."""
    with loading(plan, folder) as under_way:
        return under_way.report()


class Loading:
    """A load client that runs by itself."""

    def __init__(self, running: Party, report: Path) -> None:
        self._party = running
        self._report = report

    def report(self) -> Report:
        """Wait for the end; raises where a message was refused."""
        self._party.output(within_s=_WITHIN_S)
        report = msgspec.msgpack.decode(self._report.read_bytes(), type=Report)
        if report.refused:
            raise PartyFailed(f"{report.refused} messages were refused, the first with {report.first_refusal}")
        return report


@contextmanager
def loading(plan: Plan, folder: Path) -> Iterator[Loading]:
    """Run a load client beside the block."""
    name = f"load-{free_port()}"
    order, report = folder / f"{name}.plan", folder / f"{name}.report"
    order.write_bytes(msgspec.msgpack.encode(plan))
    with party("load", python("benchmarks.load", order, report), folder) as running:
        yield Loading(running, report)
