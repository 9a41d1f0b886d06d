"""One file a case or two: what is measured, beside what, against which target."""

from collections.abc import Callable
from typing import Final

from benchmarks.cases import (
    accept,
    batch,
    drain,
    fair,
    flaky,
    grow,
    history,
    hooks,
    idle,
    limits,
    live,
    nodes,
    pending,
    postgres,
    simulate,
    smtp,
    steady,
    takeover,
)
from benchmarks.figures import Figure
from benchmarks.sitting import Sitting

CASES: Final[dict[str, Callable[[Sitting], list[Figure]]]] = {
    "accept": accept.run,
    "accept-batch": batch.run,
    "hooks": hooks.run,
    "live": live.run,
    "drain": drain.run,
    "steady": steady.run,
    "flaky": flaky.run,
    "smtp": smtp.run,
    "restart": history.restart,
    "replay": history.replay,  # after restart, whose history it reads too
    "verify": history.verify,
    "pending": pending.run,
    "idle": idle.run,
    "fair": fair.run,
    "limits": limits.run,
    "postgres": postgres.run,
    "nodes": nodes.run,
    "takeover": takeover.run,
    "grow": grow.run,
    "simulate": simulate.run,
}
