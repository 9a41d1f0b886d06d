"""The simulated world tells: receipts, accounts, people, hooks, devices and plans do what the file says of them."""

import pytest

from core import events as e
from core.outcomes import Config, Failure, Hold, OptOut, Permanent, Rate, Recipient, Transient, Window
from scenarios.laws.evidence import Evidence
from tests.promises.simulated import run, statuses

pytestmark = pytest.mark.slow

_TEXTS = """\
[policies.whatsapp]
limits = { tenant = "none", gap = "0s" }
[[arrive]]
name = "texts"
count = 20
channel = "whatsapp"
to = "+9725000000{n:02}"
"""
_HOUR_US = 3_600_000_000


def _provider(receipts: str) -> str:
    return f'[[provider]]\nlane = "whatsapp"\nlatency = {{ median = "1s" }}\nreceipts = {{ {receipts} }}\n'


def _seen(evidence: Evidence) -> dict[str, list[str]]:
    """What the log says that each message's provider told, in the order of its recording."""
    return {
        story.key: [entry.event.status for entry in story.entries if isinstance(entry.event, e.ReceiptSeen)]
        for story in evidence.chronicle.stories.values()
    }


def _recorded(evidence: Evidence, kind: type[e.Event]) -> list[float]:
    """When events of a kind were recorded, in seconds since the start."""
    start_us = evidence.scenario.start_us
    return [(entry.at_us - start_us) / 1e6 for entry in evidence.events if isinstance(entry.event, kind)]


# -- answers in their own words


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ('"permanent"', Permanent(code="permanent")),
        ('"recipient"', Recipient(code="recipient")),
        ('{ recipient = "soft", code = "131026" }', Recipient(code="131026", soft=True)),
        ('"optout"', OptOut(code="optout")),
        ('{ optout = "marketing" }', OptOut(code="optout", marketing=True)),
        ('"config"', Config(code="config")),
        ('"window"', Window(code="window")),
        ('{ hold = "1h" }', Hold(code="hold", after_us=_HOUR_US)),
        ('{ rate = "account", after = "30s" }', Rate(code="rate", scope="account", after_us=30_000_000)),
        ('{ rate = "pair", after = "1s", growth = 4 }', Rate(code="rate", after_us=1_000_000, growth=4)),
        ("{ transient = true, retries_max = 2 }", Transient(code="transient", retries_max=2)),
    ],
)
def test_an_answer_comes_to_the_outcome_that_it_names(answer: str, outcome: Failure) -> None:
    """Each outcome has its word, with what belongs to it."""
    one = _TEXTS.replace("count = 20", "count = 1")
    evidence = run(f"{one}[[fault]]\nattempt = 1\nanswer = {answer}\n")
    assert evidence.chronicle.attempts[0].outcome == outcome


def test_a_closed_window_lets_what_stands_in_for_free_text_pass() -> None:
    """Free text is refused, its template is taken, and a message without one is dead."""
    content = 'content = { text = "hello", fallback_template = { name = "greeting", language = "en" } }\n'
    fault = '[[fault]]\nanswer = "window"\n'
    assert set(statuses(run(_TEXTS + content + fault)).values()) == {"sent"}
    assert set(statuses(run(_TEXTS + fault)).values()) == {"dead"}


# -- receipts


def test_receipts_come_in_their_order_unless_the_file_says_otherwise() -> None:
    """Each message has all of them, in order; with disorder in another one, and the status is the same."""
    sound = run(_TEXTS + _provider('sent = "2s", delivered = "9s", read = "40s"'))
    assert set(map(tuple, _seen(sound).values())) == {("sent", "delivered", "read")}
    mixed = run(_TEXTS + _provider('sent = "2s", delivered = "9s", read = "40s", disorder = 1.0'))
    assert set(map(tuple, _seen(mixed).values())) == {("read", "delivered", "sent")}
    assert set(statuses(sound).values()) == set(statuses(mixed).values()) == {"read"}


def test_a_share_of_messages_has_receipts() -> None:
    """Half of them with a share of one half, all others stay as they are."""
    told = _seen(run(_TEXTS.replace("count = 20", "count = 60") + _provider('delivered = "2s", share = 0.5')))
    assert 18 <= sum(bool(words) for words in told.values()) <= 42


def test_early_receipts_come_before_the_answer() -> None:
    """By its own id nobody knows the message yet, so they wait as strays; by ours they find it at once."""
    by_id = run(_TEXTS + _provider('delivered = "5s", early = 1.0'))
    assert len(_recorded(by_id, e.StrayKept)) == len(_recorded(by_id, e.StrayClaimed)) == 20
    by_echo = run(_TEXTS + _provider('by = "echo", delivered = "5s", early = 1.0'))
    assert _recorded(by_echo, e.StrayKept) == []
    assert max(_recorded(by_echo, e.ReceiptSeen)) <= min(_recorded(by_echo, e.AttemptTaken))
    assert set(statuses(by_id).values()) == set(statuses(by_echo).values()) == {"delivered"}


def test_late_receipts_come_after_days() -> None:
    """They are awaited, however late they come."""
    evidence = run(_TEXTS + _provider('delivered = "2s", late = 1.0, late_by = "5d"'))
    assert min(_recorded(evidence, e.ReceiptSeen)) > 5 * 86_400
    assert set(statuses(evidence).values()) == {"delivered"}


def test_receipts_that_come_again_change_nothing() -> None:
    """Each is told twice, and recorded once."""
    evidence = run(_TEXTS + _provider('delivered = "2s", twice = 1.0'))
    assert len(evidence.books.posted) == 40
    assert set(map(tuple, _seen(evidence).values())) == {("delivered",)}


def test_a_message_may_fail_after_it_was_taken() -> None:
    """Without a delivery it failed; beside one it did not."""
    failed = 'delivered = "2s", failed = {{ after = "5s", why = "recipient"{} }}'
    assert set(statuses(run(_TEXTS + _provider(failed.format("")))).values()) == {"failed"}
    beside = run(_TEXTS + _provider(failed.format(", beside = true")))
    assert set(statuses(beside).values()) == {"delivered"}


def test_a_provider_comes_again_until_it_is_answered() -> None:
    """While the disk is full and the daemon is down nothing that is told gets lost."""
    faults = '[[fault]]\nat = "3s"\nfor = "30s"\ndisk = "full"\n[[fault]]\nat = "50s"\ndaemon = "crash"\ndown = "5m"\n'
    evidence = run(_TEXTS + _provider('delivered = "20s", read = "2m"') + faults)
    assert set(statuses(evidence).values()) == {"read"}


# -- accounts and people


def test_an_account_goes_down_and_comes_up_by_its_providers_word() -> None:
    """For as long its lane is paused, whoever shares the account with it, and nobody else."""
    lanes = '[lanes.a]\nchannel = "email"\naccount = "one"\n[lanes.b]\nchannel = "email"\naccount = "one"\n'
    lanes += '[lanes.c]\nchannel = "email"\n'
    mail = '[[arrive]]\nname = "{0}"\nchannel = "email"\nto = "r{0}@example.com"\nlane = "{0}"\nat = "1m"\n'
    mails = "".join(mail.format(lane) for lane in "abc")
    down = '[[fault]]\nat = "30s"\nfor = "10m"\nlane = "a"\naccount = "down"\ncode = "blocked"\n'
    evidence = run(lanes + mails + down)
    assert _recorded(evidence, e.LanePaused) == [30.0, 30.0]
    assert _recorded(evidence, e.LaneResumed) == [630.0, 630.0]
    late = {handed.key for handed in evidence.books.handed if handed.at_us > 600_000_000}
    assert late == {"a/1", "b/1"}


def test_people_write_and_stop_before_anybody_wrote_to_them() -> None:
    """What they did counts for the first message that they ever get."""
    later = _TEXTS.replace("count = 20", "count = 20\nat = '10m'\ncontent = { text = 'x', marketing = true }")
    evidence = run(later + '[[peer]]\nat = "0s"\ndid = "stopped"\nmarketing = true\nshare = 0.5\n')
    suppressed = len(_recorded(evidence, e.PeerSuppressed))
    assert 3 <= suppressed <= 17
    assert sorted(statuses(evidence).values()) == ["dead"] * suppressed + ["sent"] * (20 - suppressed)


# -- hooks

_STRIPE = """\
[hooks.stripe]
scheme = "stripe"
order_by = "/data/object/customer"
[[arrive]]
name = "payments"
hook = "stripe"
over = "10s"
count = 30
content = { data = { object = { customer = "cus_{n%3}" } } }
"""


def test_hooks_reach_their_handler_and_forged_ones_do_not() -> None:
    """Genuine ones are messages of their source; what somebody else signed is refused and leaves nothing."""
    evidence = run(_STRIPE + "forged = 0.3\nrepeat = 0.5\n")
    told = evidence.books.told
    forged = {one.key for one in told if one.what == "forged"}
    assert 2 <= len(forged) <= 18
    assert {story.key for story in evidence.chronicle.stories.values()} == set(evidence.subjects) - forged
    assert sum(one.what == "repeated" for one in told) >= 3
    assert set(statuses(evidence).values()) == {"delivered"}
    assert {handed.content for handed in evidence.books.handed} <= set(evidence.bodies.values())


def test_a_sender_comes_again_where_the_daemon_was_gone() -> None:
    """Hooks that met a crash or a full disk are taken in the end, each once."""
    faults = '[[fault]]\nat = "3s"\nfor = "20s"\ndisk = "full"\n[[fault]]\nat = "2s"\ndaemon = "crash"\n'
    evidence = run(_STRIPE + faults)
    assert sorted(statuses(evidence)) == sorted(evidence.subjects)


def test_one_hook_of_metas_brings_several_updates() -> None:
    """Each update is a message of its own, and whoever wrote has an open window."""
    meta = '[hooks.meta]\nscheme = "meta"\n'
    answers = '[[arrive]]\nname = "answers"\nhook = "meta"\nover = "10s"\ncount = 10\nbatch = 4\n'
    evidence = run(meta + answers + 'to = "+9725000000{n:02}"\n')
    assert len(statuses(evidence)) == len(_recorded(evidence, e.WindowOpened)) == 10
    assert sorted({one.at_us for one in evidence.books.told}) == [3_000_000, 7_000_000, 9_000_000]


def test_metas_receipts_come_as_hooks_of_their_source() -> None:
    """What became of a message is told in a hook, which its handler gets as well."""
    meta = '[hooks.meta]\nscheme = "meta"\nlanes = ["whatsapp"]\n'
    evidence = run(meta + _TEXTS + _provider('by = "both", delivered = "2s"'))
    assert len(_recorded(evidence, e.ReceiptSeen)) == 20
    assert sum(handed.lane == "meta" for handed in evidence.books.deliveries()) == 20


# -- devices and plans


def test_a_push_goes_to_each_device_that_its_user_has_then() -> None:
    """Devices that were registered before, with the token that they have, and none that was removed."""
    devices = """\
[[device]]
count = 3
user = "customer"
device = "phone-{n}"
token = "token-{n}"
repeat = 1.0
[[device]]
at = "1m"
user = "customer"
device = "phone-1"
token = "another"
[[device]]
at = "1m"
user = "customer"
device = "phone-2"
do = "remove"
[[arrive]]
name = "news"
at = "30s"
over = "1m"
count = 2
channel = "push"
to = "customer"
"""
    evidence = run(devices)
    handed = sorted((one.key, one.to) for one in evidence.books.handed)
    assert handed == [
        ("news/1@phone-1", "token:token-1"),
        ("news/1@phone-2", "token:token-2"),
        ("news/1@phone-3", "token:token-3"),
        ("news/2@phone-1", "token:another"),
        ("news/2@phone-3", "token:token-3"),
    ]


def test_a_plan_has_one_message_for_each_participant_and_kind() -> None:
    """They are called by both, go out at their instants, and move with the event."""
    plan = """\
[[plan]]
reference = "event"
starts_at = "30m"
participants = 2
reminders = ["activation", "event_start", { kind = "early", offset = "-PT10M" }]
[[plan]]
at = "10m"
reference = "event"
starts_at = "1h"
participants = 2
reminders = ["activation", "event_start", { kind = "early", offset = "-PT10M" }]
"""
    evidence = run(plan)
    minutes = {handed.key: handed.at_us // 60_000_000 for handed in evidence.books.handed}
    assert minutes == {
        f"event/p{n}.{kind}": minute
        for n in (1, 2)
        for kind, minute in (("activation", 0), ("early", 50), ("event_start", 60))
    }
