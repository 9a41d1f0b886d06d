"""One order: what asyncio and anyio keep in sets is iterated alike in every process, whatever came before in it."""

import os
import subprocess
import sys
from collections import defaultdict

import pytest

PROCESSES = range(1, 5)


def _logs(loop: str, config: pytest.Config) -> list[str]:
    """The log of one process for each noise, all of them at once; odd noises have another run before theirs."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.promises.programs.set_orders", str(noise), loop],
            cwd=config.rootpath,
            env={**os.environ, "PYTHONHASHSEED": str(noise)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for noise in PROCESSES
    ]
    logs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return logs


def _orders_by_kind(logs: list[str]) -> dict[tuple[str, str], int]:
    """How many different orders the logs show for each section and kind of line."""
    orders: defaultdict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for log in logs:
        for section in log.split("# ")[1:]:
            title, *lines = section.splitlines()
            numbered = [line.rpartition(" ") for line in lines if line[-1].isdigit()]
            for kind in {kind for kind, _, _ in numbered}:
                orders[title, kind].add(tuple(number for its, _, number in numbered if its == kind))
    return {kind: len(found) for kind, found in orders.items()}


@pytest.mark.slow
def test_sets_have_one_order_in_every_process(pytestconfig: pytest.Config) -> None:
    """Four processes with different hash seeds and differently scattered memory print the same log, byte for byte."""
    logs = _logs("numbered", pytestconfig)
    assert len(logs[0].splitlines()) > 150
    assert len(set(logs)) == 1


@pytest.mark.slow
def test_the_program_would_tell(pytestconfig: pytest.Config) -> None:
    """On the same loop without numbers, each of the sets that it walks through shows several orders."""
    orders = _orders_by_kind(_logs("addresses", pytestconfig))
    assert set(orders) == {
        ("cancelled_group", "cleaned up"),
        ("nested_scopes", "cleaned up"),
        ("aborted_group", "cleaned up"),
        ("waited_tasks", "done"),
        ("waited_futures", "done"),
        ("closed_stream", "closed"),
        ("leftovers", "cleaned up"),
        ("leftovers", "closed generator"),
    }
    assert min(orders.values()) > 1
