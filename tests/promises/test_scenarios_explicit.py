"""What makes a world explicit: numbers of messages, repeated calls and crashes, each where the file says."""

from pathlib import Path

import pytest

from adapters.config.loading import Mistaken
from core import events as e
from scenarios.file.loading import read
from tests.promises.simulated import HEAD, run, statuses

_THREE = '[[arrive]]\nname = "m"\ncount = 3\nchannel = "email"\nto = "reader{n}@example.com"\n'


def test_parts_of_one_name_keep_their_numbers() -> None:
    """Two tables with the numbers 1 and 2, and 7, are the messages m/1, m/2 and m/7; each number is filled in."""
    table = '[[arrive]]\nname = "m"\nchannel = "email"\nto = "reader{n}@example.com"\n'
    evidence = run(f"{table}count = 2\n{table}number = 7\n")
    assert sorted(statuses(evidence)) == ["m/1", "m/2", "m/7"]
    assert evidence.subjects["m/7"].to == "reader7@example.com"


def test_a_number_is_given_once() -> None:
    """Numbers of one name that overlap are a mistake."""
    with pytest.raises(Mistaken, match="numbers, of its own"):
        read(f'{HEAD}runs_for = "1h"\n{_THREE}{_THREE}number = 3\n', Path("small.toml"))


def test_a_repeated_call_comes_when_it_is_said_to() -> None:
    """The second call comes a second after the first, and is told that it was known."""
    evidence = run(f'{_THREE}idempotency_key = "k{{n}}"\nrepeat = 1\nrepeat_after = "1s"\n')
    assert [(told.at_us, told.what) for told in evidence.books.told[3:]] == [(1_000_000, "repeated")] * 3


def test_a_crash_at_a_boundary_comes_there_and_lasts_as_it_says() -> None:
    """The third boundary from an instant on is one of the ports'; the daemon is gone for as long as the fault says."""
    evidence = run(f'{_THREE}[[fault]]\nat = "0s"\ndaemon = "crash"\nboundary = 3\ndown = "7s"\n')
    first, second = evidence.lives
    assert (first.ended_by, second.began_us - first.ended_us) == ("crash", 7_000_000)
    assert "boundary 3" in first.where
    assert set(statuses(evidence).values()) == {"sent"}
    assert sum(isinstance(entry.event, e.MessageAccepted) for entry in evidence.events) == 3


def test_only_a_crash_has_a_boundary() -> None:
    """A clean stop is none."""
    with pytest.raises(Mistaken, match='none but with daemon = "crash"'):
        read(f'{HEAD}runs_for = "1h"\n[[fault]]\ndaemon = "stop"\nboundary = 1\n', Path("small.toml"))
