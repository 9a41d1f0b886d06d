"""Answers for what an attempt's outcome says about its peer: the conversation's circuit and its pauses."""

from typing import Final

import pytest

from core import events as e
from core.conversation import Conversation, evolve
from core.errors import Impossible
from core.outcomes import (
    Ambiguous,
    Config,
    Failure,
    Hold,
    OptOut,
    Outcome,
    Permanent,
    Rate,
    Recipient,
    Taken,
    Transient,
    Window,
)
from core.policies import HOUR_US, SECOND_US
from tests.rules.samples import CALM, NOW_US, came, decide, failure, sending, waiting

OPEN: Final = came(CALM, e.CircuitOpened(until_us=NOW_US - 1, streak=3, openings=1))


_OF_CIRCUITS: Final = (e.FailureCounted, e.FailuresCleared, e.CircuitOpened, e.CircuitClosed)


@pytest.mark.parametrize("outcome", [Transient(), Ambiguous()])
def test_faults_in_a_row_open_the_circuit(outcome: Failure) -> None:
    """Two are counted, the third opens the circuit for its first cooldown."""
    conversation = CALM
    for streak in (1, 2):
        decision = decide(outcome, conversation=conversation)
        assert decision.conversation == (e.FailureCounted(streak=streak),)
        conversation = came(conversation, *decision.conversation)
    opened = decide(outcome, conversation=conversation).conversation
    assert opened == (e.CircuitOpened(until_us=NOW_US + 60 * SECOND_US, streak=3, openings=1),)


@pytest.mark.parametrize("outcome", [Taken(), Permanent(), Recipient(), OptOut(), Window()])
def test_any_definite_answer_clears_a_streak(outcome: Outcome) -> None:
    """A refusal too is the answer of a peer that works; without a streak there is nothing to record."""
    said_of_peer = decide(outcome, conversation=CALM).conversation
    assert not any(isinstance(event, _OF_CIRCUITS) for event in said_of_peer)
    failing = came(CALM, e.FailureCounted(streak=2))
    decision = decide(outcome, conversation=failing)
    assert decision.conversation == (e.FailuresCleared(), *said_of_peer)
    assert came(failing, *decision.conversation).circuit == CALM.circuit


_SILENT: Final = (
    *(Hold(), Config(), Rate(scope="sender"), Rate(scope="account"), Rate(scope="lane")),
    *(Permanent(code="content_gone", unasked=True), Hold(code="store_unavailable", unasked=True)),
)


@pytest.mark.parametrize("outcome", _SILENT)
@pytest.mark.parametrize("conversation", [CALM, came(CALM, e.FailureCounted(streak=2)), OPEN])
def test_what_says_nothing_about_the_peer_changes_nothing(outcome: Outcome, conversation: Conversation) -> None:
    """A hold, our own set-up, another scope's limit and what nobody was asked about: no fault, and the end of none."""
    message = sending(waiting(), probe=not conversation.circuit.is_closed)
    assert decide(outcome, message, conversation=conversation).conversation == ()


@pytest.mark.parametrize("conversation", [CALM, OPEN])
def test_a_peers_limit_pauses_its_conversation(conversation: Conversation) -> None:
    """A 429 of the pair pauses exactly this conversation, for exactly as long as its message waits."""
    decision = decide(Rate(after_us=90 * SECOND_US, code="429"), conversation=conversation)
    assert decision.conversation == (e.ConversationPaused(until_us=NOW_US + 90 * SECOND_US, code="429"),)
    paused = came(conversation, *decision.conversation)
    assert paused.circuit == conversation.circuit
    assert paused.blocked_until_us == NOW_US + 90 * SECOND_US == failure(decision).due_us


def test_a_shorter_wish_does_not_cut_a_longer_one_short() -> None:
    """Where several attempts are refused at once, nothing goes out before the last instant that any of them named."""
    paused = came(CALM, e.ConversationPaused(until_us=NOW_US + HOUR_US, code="429"))
    assert came(paused, e.ConversationPaused(until_us=NOW_US + 1, code="429")).blocked_until_us == NOW_US + HOUR_US


def test_a_probe_that_succeeds_closes_the_circuit() -> None:
    """One success, and the conversation is as it was before the first failure."""
    decision = decide(Taken(), sending(waiting(), probe=True), conversation=OPEN)
    assert decision.conversation == (e.CircuitClosed(by="probe"),)
    assert came(OPEN, *decision.conversation).circuit == CALM.circuit


def test_each_failed_probe_lengthens_the_pause() -> None:
    """60 s, 120 s, 240 s, then the ceiling of 300 s, whoever asks."""
    conversation, waits_s = OPEN, []
    for _ in range(4):
        (opened,) = decide(Transient(), sending(waiting(), probe=True), conversation=conversation).conversation
        assert isinstance(opened, e.CircuitOpened)
        waits_s.append((opened.until_us - NOW_US) // SECOND_US)
        conversation = came(conversation, opened)
    assert waits_s == [120, 240, 300, 300]
    assert (conversation.circuit.openings, conversation.circuit.streak) == (5, 7)


def test_stragglers_do_not_lengthen_the_pause() -> None:
    """What had left before the circuit opened and fails now says nothing new; its success is as good as a probe's."""
    assert decide(Transient(), sending(waiting()), conversation=OPEN).conversation == ()
    assert decide(Taken(), sending(waiting()), conversation=OPEN).conversation == (e.CircuitClosed(by="probe"),)


def test_a_reset_ends_circuit_and_pause() -> None:
    """A person's reset lets the conversation go on at once; a probe's success leaves a peer's own wish in force."""
    paused = came(OPEN, e.ConversationPaused(until_us=NOW_US + HOUR_US, code="429"))
    assert came(paused, e.CircuitClosed(by="operator")).blocked_until_us == 0
    assert came(paused, e.CircuitClosed(by="probe")).blocked_until_us == NOW_US + HOUR_US


def test_events_of_others_are_impossible() -> None:
    """A conversation's stream holds nothing of messages or lanes."""
    for event in (e.MessageExpired(), e.LaneResumed()):
        with pytest.raises(Impossible, match="no event of a conversation"):
            evolve(CALM, event, NOW_US)
