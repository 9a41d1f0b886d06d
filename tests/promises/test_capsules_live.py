"""Answers for capsules of real logs: an incident with real processes, told again, and tried under other policies."""

import json
import re
import tomllib
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import pytest

from tests.edges.cli.processes import tidings
from tests.promises.incident import CUSTOMERS, EACH, SECRET, incident

pytestmark = pytest.mark.slow
_SVG = "{http://www.w3.org/2000/svg}"
_SLOWER = '[policies.webhook]\nretry = { after = ["90s", "3m", "10m"] }\n'


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the log of an incident in `data`, and its capsule."""
    room = tmp_path_factory.mktemp("incident")
    since = incident(room / "data")
    cut = tidings("capsule", "--since", since, "--data", "data", "-o", "incident.toml", cwd=room)
    assert cut.returncode == 0, cut.stderr
    assert f"Messages: {3 * CUSTOMERS * EACH + 1}. " in cut.stdout
    return room


def test_a_capsule_of_an_incident_tells_the_same_story(room: Path) -> None:
    """Outage, crash and restart of real processes happen again: the same events of each message, each within 2 s."""
    checked = tidings("capsule", "--check", "incident.toml", "--data", "data", "--json", cwd=room)
    told = json.loads(checked.stdout)
    assert checked.returncode == 0, told["first"]
    assert (told["alike"], told["messages"]) == (told["messages"], 3 * CUSTOMERS * EACH + 1), told["first"]
    assert told["tolerance_us"] == 2_000_000


def test_a_capsule_keeps_every_law_and_shows_its_outage(room: Path) -> None:
    """It runs like any scenario; in its picture are the outage, the crash, and what waited."""
    run = tidings("simulate", "incident.toml", "--plot", "incident.svg", cwd=room)
    assert run.returncode == 0, run.stdout + run.stderr
    picture = ET.fromstring((room / "incident.svg").read_text())  # noqa: S314  # It is our own.
    outage = picture.find(f".//{_SVG}rect[@class='outage']")
    assert outage is not None
    assert float(outage.get("width", "0")) > 1
    assert picture.find(f".//{_SVG}line[@class='gone']") is not None
    assert picture.find(f".//{_SVG}polygon[@class='waiting']") is not None


def test_a_capsule_holds_nothing_that_anybody_wrote(room: Path) -> None:
    """No address, content, reference, key or tenant of the log stands in it, while who belongs to whom still shows."""
    text = (room / "incident.toml").read_text()
    for private in (SECRET, "127.0.0.1", "customer-", "appointment", "campaign", "file of", "clinic"):
        assert private not in text
    arrivals = cast("list[dict[str, str]]", tomllib.loads(text)["arrive"])
    assert len({arrive["to"] for arrive in arrivals}) == CUSTOMERS + 1
    assert len({arrive["to"].split("/")[2] for arrive in arrivals}) == 1
    assert {arrive["tenant"] for arrive in arrivals} == {"tenant1"}


def test_a_slower_first_retry_costs_time_and_saves_attempts(room: Path) -> None:
    """What-if says so of the incident, with the share of answers that were modelled, and draws both."""
    (room / "slower.toml").write_text(_SLOWER)
    compared = tidings("whatif", "incident.toml", "--policy", "slower.toml", "--plot", "both.svg", "--json", cwd=room)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    found = json.loads(compared.stdout)
    own, other = found["own"], found["other"]
    assert own["delivered"] == other["delivered"] == own["accepted"]
    assert other["attempts"] < own["attempts"]
    assert (own["late"], own["modelled"]) == (0, 0)
    assert other["late"] >= CUSTOMERS
    assert other["modelled"] > 0
    told = tidings("whatif", "incident.toml", "--policy", "slower.toml", cwd=room).stdout
    assert re.search(rf"slower\.toml: {other['modelled']} of \d+ answers were modelled", told)
    both = ET.fromstring((room / "both.svg").read_text())  # noqa: S314  # It is our own.
    titles = [text.text or "" for text in both.iter(f"{_SVG}text")]
    assert len([title for title in titles if title.startswith("A capsule of")]) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--since", "yesterday"), 2, "--since yesterday is no instant such as 2026-01-30T08:00:00Z."),
        ((), 2, "--since is missing: it is no instant"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), 2, "--since must lie before --until."),
        (("--since", "2025-02-01", "--until", "2025-03-01"), 1, "The log has no message in that stretch."),
        (("--check", "incident.toml", "--since", "2026-02-01"), 2, "--check takes the stretch from the capsule"),
        (("--since", "2026-02-01", "--store", "elsewhere.db"), 1, "elsewhere.db"),
    ],
)
def test_what_cannot_be_cut_is_told(room: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    """A bad instant, an empty stretch, options that do not go together, a log that is not there: one clear line."""
    told = tidings("capsule", *arguments, cwd=room)
    assert (told.returncode, told.stdout) == (status, "")
    assert words in told.stderr


def test_a_capsule_that_tells_another_story_is_found_out(room: Path) -> None:
    """Exit 1, the share of messages that are alike, and the first event that differs."""
    patient = (room / "incident.toml").read_text().replace('code = "503"', 'code = "503", after = "30s"')
    (room / "other.toml").write_text(patient)
    told = tidings("capsule", "--check", "other.toml", cwd=room)
    assert told.returncode == 1
    assert re.search(r"\d+ of 61 messages tell the same story", told.stdout)
    assert "The first difference is m" in told.stdout
