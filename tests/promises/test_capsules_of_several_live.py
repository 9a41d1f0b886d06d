"""Answers for capsules of what several real daemons wrote: one is killed at work, and another takes its place."""

import json
import tomllib
from pathlib import Path
from typing import cast

import pytest

from core.ownership import SILENCE_S
from core.policies import SECOND_US
from tests.edges.cli.processes import Served, tidings
from tests.edges.postgres.several import of_tenant, one_that_acts, one_that_stands_by

pytestmark = pytest.mark.slow

CONFIG = """\
[policies.email]
timeout = "10s"
on_ambiguous = "resend"
retry = { after = ["1s", "1s", "1s"] }

[lanes.mail]
channel = "email"
provider = "sandbox"
"""
# Whoever dies over this one has it out.
HOLDS = CONFIG + 'sandbox.misbehave = [{ match = "slow*", outcome = "taken", delay = "9s" }]\n'


def send(served: Served, to: str) -> str:
    """Accepts one message; its id."""
    content = {"subject": "A letter", "text": "Hello"}
    body = {"channel": "email", "to": f"{to}@hospital.example", "content": content}
    return str(of_tenant(served).post("v1", "messages", body=body)["id"])


def test_the_capsule_of_a_takeover_tells_the_same_story(tmp_path: Path, postgres_url: str) -> None:
    """What the dead one left out, and what the other took in while nobody acted, comes again as it did."""
    with (
        one_that_acts(tmp_path, postgres_url, HOLDS) as acting,
        one_that_stands_by(tmp_path, postgres_url, acting, config=CONFIG) as standing,
    ):
        before = [send(served, f"early{number}") for number, served in enumerate((acting, standing, acting, standing))]
        for message in before:
            acting.wait_for("AttemptTaken", stream=message)
        slow = send(acting, "slow")
        acting.wait_for("AttemptStarted", stream=slow)
        acting.process.kill()
        acting.process.wait()
        between = [send(standing, f"between{number}") for number in range(3)]
        standing.notes.wait_for("ready")
        for message in (slow, *between, send(standing, "late")):
            standing.wait_for("AttemptTaken", stream=message)
        assert standing.stop() == 0
    capsule = tmp_path / "takeover.toml"
    # From the log's begin, so that signs of life come when they came.
    cut = tidings("capsule", "--since", "2020-01-01T00:00:00Z", "--store", postgres_url, "-o", str(capsule))
    assert cut.returncode == 0, cut.stderr
    told = tomllib.loads(capsule.read_text())
    (fault,) = [fault for fault in cast("list[dict[str, object]]", told["fault"]) if "daemon" in fault]
    assert (told["daemons"], fault["daemon"], fault["of"]) == (2, "crash", "acting")
    checked = tidings("capsule", "--check", str(capsule), "--store", postgres_url, "--json")
    found = json.loads(checked.stdout)
    assert checked.returncode == 0, found["first"]
    assert (found["alike"], found["messages"]) == (9, 9), found["first"]
    assert (found["several"]["recorded"], found["several"]["retold"]) == (1, 1)
    # It is the same silence that leads to it. How long a machine takes for a beat and for a start is not told.
    assert found["several"]["apart_us"] < SILENCE_S * SECOND_US / 2
    said = tidings("capsule", "--check", str(capsule), "--store", postgres_url).stdout
    assert "Changes of the daemon that acts: 1, in the re-run each within " in said
    assert "- why a daemon was replaced: one that stood still or was cut off counts as killed (1)" in said
