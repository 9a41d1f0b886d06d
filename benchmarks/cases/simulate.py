"""`simulate`: scenarios on virtual time, one process, every law judged.

Answers for: messages simulated a second, and small worlds a second, as the file says and as a swarm makes them.
Must never: count imports; a swarm's processes work for minutes.
"""

import msgspec

from benchmarks.figures import Figure, Mark
from benchmarks.parties import party, python
from benchmarks.sitting import Sitting

_MESSAGES, _WORLDS = 5_000, 200
_WITHIN_S = 300.0
_WHAT = {
    "messages": (
        "simulated in one large world, laws on",
        "messages/s",
        (Mark(first_line=5_000, aim=10_000, of="value"),),
    ),
    "small": ("worlds of 8 messages, laws on", "runs/s", (Mark(first_line=100, aim=200, of="value"),)),
    "swarm": ("worlds that a swarm makes of them", "runs/s", ()),
}


def run(sitting: Sitting) -> list[Figure]:
    """Each beside what the bare loop does: virtual sleeps a second."""

    def measured() -> dict[str, float]:
        with party("simulate", python("benchmarks.simulating", _MESSAGES, _WORLDS), sitting.room()) as running:
            rates: dict[str, float] = msgspec.json.decode(running.output(within_s=_WITHIN_S))
            return rates

    runs = sitting.alternate({"simulate": measured})["simulate"]
    return [
        Figure(
            case="simulate",
            what=what,
            unit=unit,
            values=tuple(rates[name] for rates in runs),
            limit="the bare loop's sleeps",
            limits=tuple(rates["sleeps"] for rates in runs),
            marks=marks,
        )
        for name, (what, unit, marks) in _WHAT.items()
    ]
