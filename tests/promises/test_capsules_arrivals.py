"""Answers for every message of a capsule being taken, whatever became of policies and of times in its log."""

from typing import Final

import pytest

from core import events as e
from core.outcomes import Transient
from core.policies import PRESETS, SECOND_US, BreakerRule, Schedule
from core.settings import Settings
from eventstore.durable import Durable
from scenarios.capsules.cutting import capsule_of
from scenarios.capsules.stretch import Gathering, Stretch
from scenarios.laws.registry import breaches
from scenarios.loop.run import run_virtual
from scenarios.run.expecting import unmet
from scenarios.run.running import run_once
from tests.promises.accounts import Account, a_call, lane, open_branches
from tests.promises.capsules import KEY, cut, read_capsule, retold
from tests.promises.house import PLAIN, mail, under
from tests.promises.other_side import START_US
from tests.promises.simulated import run

RELOADS: Final = 8
_PATIENT: Final = under(PLAIN, name="patient", breaker=BreakerRule(of=10_000))
_ONCE: Final = under(_PATIENT, retry=Schedule(after_us=()))


def _settings(number: int) -> Settings:
    """The configuration after so many reloads: every second one gives no message a second try."""
    policy = _ONCE if number % 2 else _PATIENT
    lanes = lane("post", policy), lane("calls", _PATIENT, channel="webhook", has_receipts=False)
    return Settings(lanes=lanes, policies={**PRESETS, "patient": policy})


def _reloaded(*, reloads: int, policy: str | None = None) -> Stretch:
    """A log in which one mail fails once under each configuration; each has a fallback, and may name a policy."""
    durable = Durable()
    named = {} if policy is None else {"policy": policy}

    async def main() -> None:
        given = {name: Account(name) for name in ("post", "calls")}
        async with open_branches(_settings(0), given, durable=durable) as house:
            for number in range(reloads + 1):
                await house.reload(_settings(number))
                given["post"].answers.append(Transient(code="451"))
                await house.post(mail(number), number, fallback=[a_call(number)], **named)
                await house.pass_time(90)

    run_virtual(main)
    gathering = Gathering(START_US, 1 << 62)
    gathering.take(durable.events)
    return gathering.stretch()


def _replaced(stretch: Stretch) -> int:
    return sum(isinstance(entry.event, e.FallbackStarted) for tale in stretch.tales for entry in tale.entries)


def test_a_capsule_of_a_log_with_reloads_meets_its_own_expectations() -> None:
    """Under the first of several policies fewer fallbacks may begin than in the log; all that is asked for is taken."""
    stretch = _reloaded(reloads=RELOADS)
    assert _replaced(stretch) == RELOADS // 2
    capsule = capsule_of(stretch, KEY)
    again = run_once(read_capsule(capsule), 1)
    assert unmet(again) == []
    assert breaches(again) == []
    assert RELOADS + 1 <= len(again.chronicle.stories) < len(stretch.tales)
    assert f"changes of the policy of lane post: its first one stands throughout ({RELOADS})" in capsule.left_out


def test_a_capsule_tells_of_changes_to_policies_that_messages_name() -> None:
    """Their first one stands throughout, as that of a lane does, and the file says so."""
    stretch = _reloaded(reloads=RELOADS, policy="patient")
    capsule = capsule_of(stretch, KEY)
    assert unmet(run_once(read_capsule(capsule), 1)) == []
    told = "changes of the policy patient, which messages name: its first one stands throughout (8)"
    assert told in capsule.left_out
    assert told in capsule.text


def test_a_capsule_expects_no_more_and_no_less_than_its_messages() -> None:
    """Every message that is asked for, and no more than one for each fallback that began; exact where none did."""
    whole = read_capsule(capsule_of(_reloaded(reloads=1), KEY))
    plain = read_capsule(capsule_of(_reloaded(reloads=0), KEY))
    assert [(one.that, one.at_least, one.at_most, one.count) for one in (*whole.expects, *plain.expects)] == [
        ("accepted", 2, 3, None),
        ("rejected", None, None, 0),
        ("accepted", None, None, 1),
        ("rejected", None, None, 0),
    ]


_FAILS: Final = """\
[lanes.post]
channel = "email"
policy = { retry = { after = ["10m"], jitter = 0 } }
[lanes.chat]
channel = "whatsapp"
[[fault]]
lane = "post"
for = "1m"
answer = "refused"
[[arrive]]
channel = "email"
to = "reader@example.com"
"""
_TO_CHAT: Final = 'fallback = [{ channel = "whatsapp", to = "+15550000001" }]\nfallback_by = "5m"\n'
_MOVED: Final = '[[operator]]\nat = "2s"\ndo = "reschedule"\nsend_at = "10m"\n'


@pytest.mark.parametrize(
    ("text", "since_us"),
    [
        (f'{_FAILS}expires_after = "5m"\n', 60 * SECOND_US),
        (f"{_FAILS}{_TO_CHAT}", 60 * SECOND_US),
        (f'{_FAILS}send_at = "4m"\n{_TO_CHAT}{_MOVED}', 0),
    ],
    ids=["expires", "gives way", "was moved"],
)
def test_a_message_due_after_its_end_is_taken(text: str, since_us: int) -> None:
    """What waits for a retry, or was moved, beyond its own end is asked for in a way that the door takes."""
    capsule = cut(run(text), since_us=since_us)
    again = run_once(read_capsule(capsule), 1)
    assert [told.words for told in again.books.told if told.what == "rejected"] == []
    assert unmet(again) == []
    assert len(again.chronicle.stories) >= 1
    assert "messages whose time was over before they were due: they are due right before (1)" in capsule.left_out


def test_a_built_in_policy_that_a_message_names_is_not_that_of_a_lane() -> None:
    """A lane that changes the policy of its channel changes it for itself; who names the policy means the built-in."""
    world = run(
        '[lanes.post]\nchannel = "email"\npolicy = { retry = { after = ["7m"], jitter = 0 } }\n'
        '[[arrive]]\nchannel = "email"\nto = "a{n}@example.org"\ncount = 2\npolicy = "email"\n'
        '[[fault]]\nlane = "post"\nattempt = 1\nanswer = { status = 503 }\n'
    )
    again, fidelity = retold(world)
    assert again.scenario.settings.policies["email"].retry == PRESETS["email"].retry
    assert again.scenario.policy_of("post", None).retry == Schedule(after_us=(420 * SECOND_US,), jitter=0)
    assert (fidelity.alike, fidelity.messages) == (2, 2)


@pytest.mark.parametrize(
    "head",
    [
        'rests_within = "100d"\n[[arrive]]\nsend_at = "60d"\n',
        'rests_within = "500d"\nbounds = { send_at_max = "460d" }\n[[arrive]]\nsend_at = "450d"\n',
    ],
    ids=["within the usual bound", "beyond it"],
)
def test_a_message_due_long_after_the_stretch_is_taken_and_sent(head: str) -> None:
    """A capsule lasts until its last message is due, and takes what the log took under a wider bound."""
    again, _ = retold(run(f'{head}channel = "email"\nto = "reader@example.com"\n'))
    assert unmet(again) == []
    assert breaches(again) == []
    assert len(again.deliveries) == 1
