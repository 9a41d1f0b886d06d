"""Several machines on the virtual loop: one may be killed or held while the others go on."""

import asyncio
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from scenarios.draws import Draws
from scenarios.loop.nodes import NODE, NodeLoop, outside
from scenarios.loop.run import run_virtual
from scenarios.loop.schedules import Fifo, Pct, Ready, Schedule, Walk
from scenarios.loop.virtual import PowerCut

_FIRST, _SECOND = 1, 2
_SCHEDULES: dict[str, Callable[[Ready], Schedule]] = {
    "fifo": Fifo,
    "walk": lambda ready: Walk(ready, draws=Draws(7)),
    "pct": lambda ready: Pct(ready, draws=Draws(7)),
}


def _loop() -> NodeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NodeLoop)
    return loop


def _start(said: list[tuple[int, float]]) -> None:
    """Two nodes that say every second that they are there, and once that they are not any more."""

    async def tick() -> None:
        try:
            while True:
                await anyio.sleep(1)
                said.append((NODE.get(), _loop().time()))
        finally:
            said.append((-NODE.get(), _loop().time()))

    for node in (_FIRST, _SECOND):
        # Nobody else holds on to it, so that whatever is left of it would be dropped in the middle of the run.
        _ = _loop().start_in(node, tick, name=f"node {node}")


@pytest.mark.parametrize("schedule", _SCHEDULES)
def test_a_killed_node_never_runs_again_and_cleans_nothing_up(schedule: str) -> None:
    """Of a node that was killed no step, no timer and no `finally` runs, whatever it was at; the other one goes on."""
    said: list[tuple[int, float]] = []

    async def main() -> None:
        _start(said)
        await anyio.sleep(2.5)
        _loop().kill(_FIRST)
        await anyio.sleep(2)
        _loop().cut_power()

    with pytest.raises(PowerCut):
        run_virtual(main, kind=NodeLoop, schedule=_SCHEDULES[schedule])
    assert sorted(said) == [(1, 1.0), (1, 2.0), (2, 1.0), (2, 2.0), (2, 3.0), (2, 4.0)]


def test_a_held_node_goes_on_late_and_in_order() -> None:
    """What came for a node while it was held runs when it is let go, first come first, and at that instant."""
    said: list[tuple[int, float]] = []

    async def main() -> list[tuple[str, float]]:
        loop, seen = _loop(), list[tuple[str, float]]()

        async def wait(name: str, delay_s: float) -> None:
            await anyio.sleep(delay_s)
            seen.append((name, loop.time()))

        for name, delay_s in (("late", 3.0), ("early", 2.0), ("after", 6.0)):
            _ = loop.start_in(_FIRST, partial(wait, name, delay_s), name=name)
        await anyio.sleep(1)
        loop.hold(_FIRST)
        assert loop.is_held(_FIRST)
        await anyio.sleep(4)
        said.extend((1, at_s) for _, at_s in seen)
        loop.let_go(_FIRST)
        await anyio.sleep(5)
        return seen

    assert run_virtual(main, kind=NodeLoop) == [("early", 5.0), ("late", 5.0), ("after", 6.0)]
    assert said == []


def test_what_others_do_for_a_held_node_waits_for_it() -> None:
    """An answer that comes from elsewhere is there at once, and is heard when its node is let go."""

    async def main() -> float:
        loop = _loop()
        answer: asyncio.Future[float] = loop.create_future()

        async def listen() -> float:
            answered_s = await answer
            return loop.time() - answered_s

        task = loop.start_in(_FIRST, listen, name="listener")
        await anyio.sleep(1)
        loop.hold(_FIRST)
        answer.set_result(loop.time())
        await anyio.sleep(2)
        assert not task.done()
        loop.let_go(_FIRST)
        return await task

    assert run_virtual(main, kind=NodeLoop) == 2.0


def test_a_killed_node_stays_gone_while_another_is_held() -> None:
    """Whoever is killed while it was held is not let go any more."""
    said: list[tuple[int, float]] = []

    async def main() -> None:
        _start(said)
        _loop().hold(_FIRST)
        await anyio.sleep(1.5)
        _loop().kill(_FIRST)
        _loop().hold(_FIRST)
        _loop().let_go(_FIRST)
        await anyio.sleep(1)
        _loop().cut_power()

    with pytest.raises(PowerCut):
        run_virtual(main, kind=NodeLoop)
    assert said == [(2, 1.0), (2, 2.0)]


def test_work_of_a_node_stays_there() -> None:
    """Whatever a node starts belongs to it, and what was started elsewhere meanwhile does not."""

    async def main() -> list[int]:
        async def inner() -> int:
            await anyio.sleep(1)
            return NODE.get()

        async def outer() -> int:
            return await asyncio.ensure_future(inner())

        theirs = _loop().start_in(_SECOND, outer, name="theirs")
        return [await asyncio.ensure_future(inner()), await theirs, NODE.get()]

    assert run_virtual(main, kind=NodeLoop) == [0, 2, 0]


def test_others_learn_that_a_node_is_gone() -> None:
    """Whoever waits for a node's end hears of it at that instant, before or after; a node that goes on has none yet."""

    async def main() -> tuple[float, bool, bool]:
        loop = _loop()
        end = loop.gone(_FIRST)
        loop.call_at(3.0, loop.kill, _FIRST)
        await end
        loop.kill(_FIRST)
        return loop.time(), loop.gone(_FIRST).done(), loop.gone(_SECOND).done()

    assert run_virtual(main, kind=NodeLoop) == (3.0, True, False)


def test_what_a_node_has_others_do_outlives_it() -> None:
    """Work that was started outside goes on after the node is killed that asked for it."""
    said: list[int] = []

    async def main() -> None:
        loop = _loop()

        async def work() -> None:
            await anyio.sleep(2)
            said.append(NODE.get())

        async def ask() -> None:
            _ = outside(lambda: asyncio.ensure_future(work()))
            await anyio.sleep(5)

        _ = loop.start_in(_FIRST, ask, name="asker")
        await anyio.sleep(1)
        loop.kill(_FIRST)
        await anyio.sleep(2)
        loop.cut_power()

    with pytest.raises(PowerCut):
        run_virtual(main, kind=NodeLoop)
    assert said == [0]
