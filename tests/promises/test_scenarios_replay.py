"""The same file and seed give the same log, byte for byte: in any process, and whatever ran before in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.run.running import run_once
from scenarios.run.tracing import trace
from tests.promises.simulated import HEAD, run, scenario

PROGRAM = Path(sys.executable).with_name("tidings")
# With a crash and a slow disk, with every schedule there is, with clocks and limits.
FILES = (
    *("crash_at_every_boundary", "same_request_twice", "clock_jumps"),
    *("every_provider_over_the_wire", "stripe_and_clients_over_the_wire"),
)

_WORLD = """\
schedule = "SCHEDULE"
[disk]
latency = { median = "5ms", p99 = "60ms" }
[[arrive]]
name = "orders"
over = "1m"
arrivals = "poisson"
count = 15
channel = "webhook"
to = "https://shop{n%3}.example/orders"
idempotency_key = "order/{n}"
repeat = 0.3
[[arrive]]
name = "mails"
over = "1m"
arrivals = "poisson"
count = 10
channel = "email"
to = "reader{n%3}@example.com"
[[fault]]
for = "2m"
answer = { status = 503, share = 0.3 }
[[fault]]
at = "40s"
daemon = "crash"
"""


def _traced(file: str | Path, root: Path, outs: list[Path]) -> list[bytes]:
    """The traces of one file by as many processes at once, each with a hash seed of its own."""
    processes = [
        subprocess.Popen(
            [str(PROGRAM), "simulate", str(file), "--seed", "5", "--trace", str(out)],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            stdout=subprocess.DEVNULL,
        )
        for number, out in enumerate(outs)
    ]
    assert [process.wait() for process in processes] == [0] * len(outs)
    return [out.read_bytes() for out in outs]


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_two_processes_write_the_same_log(file: str, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Two processes with different hash seeds trace one file alike, byte for byte."""
    one, other = _traced(f"scenarios/{file}.toml", pytestconfig.rootpath, [tmp_path / "one", tmp_path / "other"])
    assert one.count(b"\n") > 15
    assert one == other


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["fifo", "walk", "pct"])
def test_twelve_processes_write_one_log(schedule: str, tmp_path: Path) -> None:
    """Twelve processes at once, each with a hash seed of its own, trace one world alike under each order of steps."""
    file = tmp_path / "world.toml"
    file.write_text(f'{HEAD}runs_for = "2h"\n{_WORLD.replace("SCHEDULE", schedule)}', encoding="utf-8")
    outs = [tmp_path / f"log-{number}" for number in range(12)]
    logs = set(_traced(file, tmp_path, outs))
    assert len(logs) == 1
    assert logs.pop().count(b"\n") > 100


@pytest.mark.parametrize("schedule", ["fifo", "walk", "pct"])
def test_a_run_depends_on_nothing_that_ran_before(schedule: str) -> None:
    """One process traces a seed alike however many other runs lie between, under each order of steps."""
    world = scenario(_WORLD.replace("SCHEDULE", schedule))
    first = b"".join(trace(run_once(world, 3)))
    run_once(world, 4)
    assert b"".join(trace(run_once(world, 3))) == first
    assert b"".join(trace(run_once(world, 4))) != first


def test_a_message_that_is_taken_out_leaves_the_others_alone() -> None:
    """Without one table of arrivals, every request of the other meets the same answers at the same times."""

    def met(text: str) -> list[tuple[str, int, int | None, bool]]:
        handed = run(text).books.handed
        return [(one.key, one.at_us, one.arrives_us, one.is_taken) for one in handed if one.key.startswith("orders/")]

    whole = _WORLD.replace("SCHEDULE", "fifo").replace("[disk]\nlatency", "# [disk]\n# latency")
    begin, end = whole.index('[[arrive]]\nname = "mails"'), whole.index("[[fault]]")
    assert met(whole) == met(whole[:begin] + whole[end:])
    assert len(met(whole)) >= 15
