"""Answers for what each reply of a mail server comes to."""

import pytest

from adapters.channels.replies import Reading, Reply, Step, outcome_of, provider_id_in
from adapters.channels.scrubbing import scrubbed
from core.outcomes import (
    Ambiguous,
    Config,
    Hold,
    Outcome,
    OutcomeName,
    Permanent,
    Rate,
    Recipient,
    Taken,
    Transient,
    name_of,
)
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US

NOON_US = 1_769_774_400_000_000  # 2026-01-30T12:00:00Z
READING = Reading(now_us=NOON_US, greylist_floor_us=5 * MINUTE_US, to="ann@example.com")


def read(code: int, text: str, step: Step = "recipient", *, own_sender: bool = True) -> Outcome:
    """What a reply at a step comes to."""
    reading = Reading(now_us=NOON_US, greylist_floor_us=5 * MINUTE_US, to="ann@example.com", own_sender=own_sender)
    return outcome_of(Reply(code, text, step), reading)


@pytest.mark.parametrize(
    ("line", "step", "name"),
    [
        # Not now.
        ("421 4.3.2 shutting down", "sender", "transient"),
        ("421 4.4.2 timeout exceeded", "mail", "transient"),
        ("421 try later", "greeting", "transient"),
        ("450 4.3.0 internal error", "mail", "transient"),
        ("451 4.3.1 disk trouble", "mail", "transient"),
        ("452 4.3.1 insufficient storage", "mail", "transient"),
        ("452 4.2.2 mailbox full", "recipient", "transient"),
        ("452 4.5.3 too many recipients", "recipient", "transient"),
        ("450 4.2.1 mailbox disabled for now", "recipient", "transient"),
        ("450 4.2.1 the user is receiving mail too fast", "recipient", "rate"),
        ("421 4.7.28 unusual rate of mail from your IP", "mail", "rate"),
        ("450 4.7.0 unusual rate of unsolicited mail", "mail", "rate"),
        ("454 Throttling failure: Maximum sending rate exceeded.", "mail", "rate"),
        ("454 4.7.0 temporary authentication failure", "login", "transient"),
        ("550 5.4.5 Daily user sending limit exceeded", "mail", "hold"),
        ("550 5.7.1 daily sending quota exceeded", "mail", "hold"),
        # Our own set-up.
        ("554 no service for you", "greeting", "config"),
        ("550 5.7.1 access denied", "greeting", "config"),
        ("502 command not implemented", "greeting", "config"),
        ("535 5.7.8 bad credentials", "login", "config"),
        ("534 5.7.9 stronger mechanism needed", "login", "config"),
        ("530 5.7.0 must issue STARTTLS first", "sender", "config"),
        ("530 authentication required", "recipient", "config"),
        ("538 5.7.11 encryption required", "login", "config"),
        ("554 5.7.1 <ann@example.com>: Relay access denied", "recipient", "config"),
        ("550 5.7.1 Relaying denied", "recipient", "config"),
        ("550 5.7.1 client host blocked using zen.spamhaus.org", "recipient", "config"),
        ("550 5.7.25 no PTR record", "mail", "config"),
        ("550 5.7.26 unauthenticated mail (SPF and DKIM failed)", "mail", "config"),
        ("550 5.7.515 sending domain does not meet the required authentication level", "mail", "config"),
        ("550 5.1.8 bad sender domain", "sender", "config"),
        ("553 5.1.7 bad sender address", "recipient", "config"),
        ("550 5.7.60 client does not have permissions to send as this sender", "mail", "config"),
        ("553 sorry, not your address", "sender", "config"),
        ("550 5.7.1 you may not use this address", "sender", "config"),
        # This message.
        ("552 5.3.4 message too big", "sender", "permanent"),
        ("552 message size exceeds fixed limit", "sender", "permanent"),
        ("554 5.2.3 message length limit", "mail", "permanent"),
        ("554 5.4.6 too many hops", "mail", "permanent"),
        ("550 5.7.1 message looks like spam", "mail", "permanent"),
        ("554 5.7.1 message contains a URL listed by dbl.spamhaus.org", "mail", "permanent"),
        ("554 5.6.0 malformed", "mail", "permanent"),
        ("550 rejected", "mail", "permanent"),
        ("554 transaction failed", "mail", "permanent"),
        ("503 5.5.1 bad sequence of commands", "recipient", "permanent"),
        ("500 what?", "data", "permanent"),
        # This recipient.
        ("550 5.1.1 no such user", "recipient", "recipient"),
        ("550 5.1.1 no such user", "mail", "recipient"),
        ("551 5.1.6 moved", "recipient", "recipient"),
        ("556 5.1.10 the domain takes no mail (null MX)", "recipient", "recipient"),
        ("553 5.1.3 bad address syntax", "recipient", "recipient"),
        ("550 5.1.2 no such domain", "recipient", "recipient"),
        ("550 5.4.4 unroutable", "recipient", "recipient"),
        ("550 5.2.1 mailbox disabled", "recipient", "recipient"),
        ("552 5.2.2 mailbox full: quota exceeded", "recipient", "recipient"),
        ("550 5.4.1 recipient address rejected: access denied", "recipient", "recipient"),
        ("556 host does not accept mail", "recipient", "recipient"),
        ("521 host does not accept mail", "recipient", "recipient"),
        ("550 no such user here", "recipient", "recipient"),
        ("553 unknown", "recipient", "recipient"),
        # A class that contradicts its code is not believed.
        ("550 4.7.1 odd", "recipient", "recipient"),
        ("450 5.1.1 odd", "recipient", "transient"),
        # Servers that have lost count.
        ("250 ok", "data", "transient"),
        ("354 go on", "recipient", "transient"),
        ("354 go on", "mail", "ambiguous"),
        ("799 what", "mail", "ambiguous"),
        ("-1 garbage", "recipient", "transient"),
        ("250 2.0.0 Ok: queued as ABC", "mail", "taken"),
    ],
)
def test_every_reply_has_its_outcome(line: str, step: Step, name: OutcomeName) -> None:
    """The table of codes, enhanced codes, words and steps, from the top."""
    code, _, text = line.partition(" ")
    assert name_of(read(int(code), text, step)) == name


@pytest.mark.parametrize(
    ("text", "after_us"),
    [
        ("4.2.0 greylisted", 5 * MINUTE_US),
        ("4.7.1 greylisted, try again in 60 seconds", 5 * MINUTE_US),
        ("Graylisting in effect, please come back in 10 minutes", 10 * MINUTE_US),
        ("4.7.1 try again in 1 hour", HOUR_US),
        ("try again in 900s", 15 * MINUTE_US),
    ],
)
def test_greylisting_waits_for_its_window(text: str, after_us: int) -> None:
    """The first retry comes when the server asks, and never inside the five minutes that most of them use."""
    outcome = read(451, text)
    assert isinstance(outcome, Transient)
    assert outcome.after_us == after_us


def test_a_daily_quota_holds_until_it_begins_anew() -> None:
    """Until the next day in UTC, but at least an hour, so that it is not asked in vain all night."""
    noon = read(550, "5.4.5 daily sending limit exceeded", "mail")
    late = outcome_of(
        Reply(550, "5.4.5 limit", "mail"), Reading(now_us=NOON_US + 12 * HOUR_US - SECOND_US, greylist_floor_us=0)
    )
    assert isinstance(noon, Hold)
    assert isinstance(late, Hold)
    assert (noon.after_us, late.after_us) == (12 * HOUR_US, HOUR_US)
    assert NOON_US % DAY_US == 12 * HOUR_US


def test_a_rate_pauses_what_it_speaks_of() -> None:
    """A mailbox that is written to too fast is one pair; our address sending too fast is the lane."""
    pair = read(450, "4.2.1 receiving mail too quickly")
    lane = read(421, "4.7.28 unusual rate, try later")
    assert isinstance(pair, Rate)
    assert isinstance(lane, Rate)
    assert (pair.scope, lane.scope) == ("pair", "lane")


@pytest.mark.parametrize(("text", "step"), [("5.1.8 bad sender", "mail"), ("not your address", "sender")])
def test_a_sender_that_a_message_named_does_not_stop_the_lane(text: str, step: Step) -> None:
    """The lane's own From being refused is our set-up; a From of the message's is the message's fault."""
    assert isinstance(read(550, text, step), Config)
    assert isinstance(read(550, text, step, own_sender=False), Permanent)


def test_several_lines_are_one_reply() -> None:
    """The enhanced code counts wherever a line begins with it, and the text is kept on one line."""
    outcome = read(550, "The email account that you tried to reach\n5.1.1 does not exist.")
    assert outcome == Recipient(
        code="550 5.1.1", detail="The email account that you tried to reach 5.1.1 does not exist."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.0.0 Ok: queued as 4F6D21A0B3", "4F6D21A0B3"),
        ("OK id=1sXyzA-000abc-AB", "1sXyzA-000abc-AB"),
        ("2.6.0 <m@x> [InternalId=12345, Hostname=h] Queued mail for delivery", "12345"),
        ("Ok 0100018f2c3a4b5c-1a2b3c4d-0000-000000", "0100018f2c3a4b5c-1a2b3c4d-0000-000000"),
        ("2.0.0 OK", ""),
        ("Ok: queued as ann@example.com", ""),
    ],
)
def test_the_queue_id_is_found(text: str, expected: str) -> None:
    """The id by which the server's own log knows the mail, in the words of the usual servers."""
    assert provider_id_in(text) == expected
    taken = outcome_of(Reply(250, text, "mail"), READING)
    assert isinstance(taken, Taken)
    assert taken.provider_id == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<ann@example.com>: user unknown", "<address>: user unknown"),
        ("user ann unknown, ANN!", "user <address> unknown, <address>!"),
        ("see https://example.com/ann?x=1 now", "see <link> now"),
        ("blocked 192.168.100.200, call +972 50-123-4567", "blocked <number>, call <number>"),
        ("bad token fRt:APA91bH0123456789abcdefghijklmnop-_=", "bad token fRt:<key>"),
        ("a\r\nb\x00c\u202ed", "a b c d"),
        ("x " * 500, ("x " * 100).strip()),
    ],
)
def test_what_is_kept_of_a_text_names_nobody(text: str, expected: str) -> None:
    """Addresses, links, numbers and control characters go; two hundred characters stay."""
    assert scrubbed(text, to="ann@example.com") == expected


def test_an_answer_made_to_be_slow_is_not() -> None:
    """A huge text without any end is looked at only as far as it matters."""
    assert len(scrubbed("a@" * 1_000_000)) <= 200
    assert isinstance(outcome_of(Reply(354, "x", "mail"), READING), Ambiguous)
