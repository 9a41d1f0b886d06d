"""What users rely on where several daemons share a database: one storm with everything in it that can fail."""

from pathlib import Path

import pytest

from tests.cluster.clients import Load
from tests.cluster.judging import judge
from tests.cluster.lightning import one_of_each
from tests.cluster.storm import storm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LOAD = Load(messages=600, conversations=60, per_s=100, per_lane_s=60, bursts=3, seed=17)


async def test_nothing_is_lost_whoever_fails(tmp_path: Path) -> None:
    """The acting daemon is killed, the next one frozen until it is replaced, and the database fails over.

    What any of them accepted arrives all the same, in order, within limits, twice only where the log says ambiguous.
    """
    after = await storm(tmp_path, LOAD, one_of_each)
    verdict = judge(after, LOAD)
    assert verdict.counted["takeovers"] >= 2
    assert verdict.counted["replaced"] >= 1
    assert [one.after for one in verdict.takeovers] == ["kill", "freeze"]
