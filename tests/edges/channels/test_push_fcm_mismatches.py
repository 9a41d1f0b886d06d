"""Answers for whose fault it is that a registration belongs to another project: its own, or that of our set-up."""

from typing import Final

import pytest

from adapters.channels.fcm_mismatches import ANSWERS_LEAST, MISMATCH, WITHIN_US, Mismatches
from core.outcomes import Config, Outcome, Recipient, Taken, name_of
from core.ports import Clock
from tests.edges.channels.fcm_pushes import PUSH, TO, channel_of
from tests.edges.channels.fcm_server import FcmServer, refusal
from tests.edges.channels.parcels import HandOver, parcel_of

OTHERS: Final = Recipient(code=MISMATCH, detail="SenderId mismatch")
MIXED: Final[tuple[Outcome, ...]] = (Taken(), OTHERS) * 20
GONE: Final = Recipient(code="UNREGISTERED")


def judged(*outcomes: Outcome, apart_us: int = 1) -> list[str]:
    """What a lane makes of these answers, one after another."""
    mismatches = Mismatches()
    return [name_of(mismatches.judged(outcome, f"r{n}", n * apart_us)) for n, outcome in enumerate(outcomes)]


def test_one_registration_of_another_project_is_its_own_fault() -> None:
    """Once one was taken, and as long as too few have come, a mismatch ends its token and no more."""
    few = [OTHERS] * (ANSWERS_LEAST - 2)
    assert judged(Taken(), *few) == ["taken", *["recipient"] * len(few)]
    assert set(judged(*MIXED)) == {"taken", "recipient"}
    assert set(judged(Taken(), *few, *[GONE] * 18)) == {"taken", "recipient"}


def test_nothing_is_blamed_before_something_was_taken() -> None:
    """The first mismatches of a lane end no token, since a wrong account is likelier; they are tried again."""
    assert judged(OTHERS, OTHERS, GONE, Taken(), OTHERS) == [
        "transient",
        "transient",
        "recipient",
        "taken",
        "recipient",
    ]


def test_one_registration_that_is_tried_again_proves_nothing() -> None:
    """A lane is not paused for one token, however often its pushes are repeated."""
    mismatches = Mismatches()
    assert {name_of(mismatches.judged(OTHERS, "same", at_us)) for at_us in range(30)} == {"transient"}


def test_most_registrations_of_another_project_are_our_fault() -> None:
    """The lane is judged by its last answers: once most are mismatches no further token is blamed."""
    assert judged(*[OTHERS] * 7) == ["transient"] * 4 + ["config"] * 3
    assert judged(*[Taken()] * 20, *[OTHERS] * 11)[-2:] == ["recipient", "config"]


def test_old_answers_count_for_nothing() -> None:
    """Mismatches that are too far apart to be a window's are each their token's fault."""
    outcomes = judged(Taken(), *[OTHERS] * 30, apart_us=WITHIN_US // (ANSWERS_LEAST - 1))
    assert set(outcomes[1:]) == {"recipient"}


def test_a_success_ends_the_verdict() -> None:
    """After our set-up was mended the next dead token is a dead token again."""
    assert judged(*[OTHERS] * 6, Taken(), OTHERS)[-2:] == ["taken", "recipient"]


@pytest.mark.anyio
async def test_a_lane_with_the_wrong_project_pauses(clock: Clock) -> None:
    """FCM calls every registration another's: after a few the lane is paused and no token blamed."""
    async with FcmServer() as server, channel_of(clock, server) as channel:
        server.orders = [refusal(403, "PERMISSION_DENIED", "SenderId mismatch", fcm=MISMATCH)] * ANSWERS_LEAST
        to = [TO.replace(TO[-4:], f"{number:04}") for number in range(ANSWERS_LEAST)]
        outcomes = [await channel.send(parcel_of(clock, one, PUSH), HandOver()) for one in to]
    assert [name_of(outcome) for outcome in outcomes] == ["transient"] * (ANSWERS_LEAST - 1) + ["config"]
    assert isinstance(outcomes[-1], Config)
    assert "another project" in outcomes[-1].detail
