"""Answers for capsules: a log that is cut and run again tells its story, under names that are nobody's."""

import tomllib
from pathlib import Path
from typing import Final, cast

import msgspec
import pytest

from core import events as e
from core.records import Private, Sealed
from scenarios.capsules.fidelity import fidelity_of
from scenarios.capsules.naming import cast_of
from scenarios.capsules.privacy import leaks
from scenarios.file.loading import load, read
from scenarios.laws.evidence import Evidence
from scenarios.laws.registry import breaches
from scenarios.run.running import run_once
from tests.promises.capsules import cut, read_capsule, retold, stretch_of
from tests.promises.simulated import run, scenario

pytestmark = pytest.mark.slow

SECOND_US: Final = 1_000_000
FILES: Final = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
TEMPLATED: Final = """\
[policies.whatsapp]
limits = { concurrency = 4 }
on_ambiguous = "resend"
[[arrive]]
name = "chat"
over = "1m"
count = 8
channel = "whatsapp"
to = "+1555000000{n}"
content = { text = "Soon", fallback_template = { name = "soon", language = "en" } }
"""
# What capsules cannot tell, by file: the share of messages that must be told alike all the same.
LEAST: Final = {
    "breaker_opens_on_a_slow_disk": 0.0,
    "lane_left_while_the_disk_fails": 0.0,
    "reset_by_a_commit_of_unknown_result": 0.0,
    "disk_full_and_back": 0.8,
    "commits_nobody_answers_for": 0.6,
    "plan_moved_while_its_reminders_go_out": 0.5,
    "cancelled_while_it_leaves": 0.5,
    "frozen_with_requests_out": 0.8,
    "webhooks_over_a_broken_wire": 0.5,
    # Several daemons are told by several, but for clocks that are apart: log time stands still where another takes over
    # whose clock is behind, so that the takeover seems to take no time, and is left out where a request was under way.
    "daemons_with_clocks_apart": 0.8,
}
_USUAL: Final = 0.85
"""Where receipts are told to nobody, a token dies, a clock jumps or a daemon that stood still was not replaced for it,
single messages differ."""

OUTAGE = """\
[[arrive]]
name = "mails"
over = "2m"
count = 40
channel = "email"
to = "reader{n%8}@hospital.example"
tenant = "clinic"
[[provider]]
receipts = { by = "id", delivered = "4s" }
[[fault]]
at = "30s"
for = "40s"
answer = { status = 503 }
[[fault]]
at = "50s"
daemon = "crash"
down = "10s"
[[operator]]
at = "20s"
do = "pause"
lane = "email"
[[operator]]
at = "25s"
do = "resume"
lane = "email"
"""


@pytest.fixture(scope="module")
def outage() -> Evidence:
    """A log with an outage, a crash, receipts and a pause."""
    return run(OUTAGE)


def test_a_log_that_is_cut_and_run_again_tells_the_same(outage: Evidence) -> None:
    """Each message has the same events at the same instants, though another seed drew the re-run's chance."""
    again, fidelity = retold(outage)
    assert (fidelity.alike, fidelity.first) == (40, None)
    assert fidelity.apart_us < SECOND_US // 10
    assert breaches(again) == []
    assert not [met for met in again.books.met if not met.is_recorded]


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_scenario_survives_its_capsule(file: Path) -> None:
    """The log of each scenario, cut and run again, keeps every law and tells most of its messages alike."""
    world = load(file)
    again, fidelity = retold(run_once(world, world.seed))
    assert breaches(again) == []
    assert fidelity.share >= LEAST.get(file.stem, _USUAL), fidelity.first


def test_a_capsule_shows_what_failed_and_when(outage: Evidence) -> None:
    """Outage, crash and pause stand in the file as faults and orders, at their instants."""
    world = read_capsule(cut(outage))
    failed, crashed = world.faults
    assert failed.answer is not None
    assert failed.at_us == pytest.approx(30 * SECOND_US, abs=5 * SECOND_US)
    assert failed.at_us + (failed.for_us or 0) == pytest.approx(70 * SECOND_US, abs=8 * SECOND_US)
    assert crashed.daemon == "crash"
    assert crashed.down_us == pytest.approx(10 * SECOND_US, abs=SECOND_US)
    assert [(order.do, order.at_us // SECOND_US) for order in world.operators] == [("pause", 20), ("resume", 25)]


def test_peers_and_tenants_stay_apart_and_lose_their_names(outage: Evidence) -> None:
    """As many peers as before, each with as many messages, under names that say nothing; another key, other ones."""
    first, second = cut(outage), cut(outage, key=b"another")
    addresses = [arrive.to for arrive in read_capsule(first).arrivals]
    assert len(set(addresses)) == 8
    assert sorted(addresses.count(address) for address in set(addresses)) == [5] * 8
    assert "hospital" not in first.text
    assert "clinic" not in first.text
    assert [arrive.to for arrive in read_capsule(second).arrivals] != addresses


def test_a_private_text_in_a_capsule_is_found(outage: Evidence) -> None:
    """An address or a word of a content that got in is told by its kind and message; what every capsule says is not."""
    capsule = cut(outage)
    stream = capsule.streams[0]

    def found(private: Private) -> list[str]:
        row = Sealed(stream=stream, tenant="t", subject=b"", salt=b"", private=msgspec.msgpack.encode(private))
        return leaks(capsule.text + "# ann@hospital.example has Tuesday 4711\n", [row], capsule.ours)

    quiet = Private(to="joe@hospital.example", content=b'{"text": "Something else", "subject": "email"}')
    assert found(quiet) == []
    assert [words.partition(" of ")[0] for words in found(Private(to="ann@hospital.example", content=b"{}"))] == [
        "address"
    ]
    loud = Private(to="x", content=b'{"text": "has Tuesday"}', reference="Tuesday", metadata=b'{"a": ["email"]}')
    assert [words.partition(" of ")[0] for words in found(loud)] == ["content", "reference"]


@pytest.mark.parametrize("word", ["concurrency", "resend", "accepted", "fallback_template", "language"])
def test_a_word_of_the_file_itself_is_nobodys(word: str) -> None:
    """What any scenario file may say, keys within values too, may stand in any content: it gives nothing away."""
    capsule = cut(run(TEMPLATED))
    assert word in capsule.text
    private = msgspec.msgpack.encode(Private(to="", content=msgspec.json.encode({"data": {word: word}})))
    row = Sealed(stream=capsule.streams[0], tenant="t", subject=b"", salt=b"", private=private)
    assert leaks(capsule.text, [row], capsule.ours) == []


def test_the_vault_of_a_real_run_is_not_in_its_capsule(outage: Evidence) -> None:
    """Nothing that the vault of the whole run holds stands in the file."""
    capsule = cut(outage)
    assert leaks(capsule.text, outage.durable.sealed.values(), capsule.ours) == []
    assert len(outage.durable.sealed) == 40


def test_a_difference_is_named_where_it_begins(outage: Evidence) -> None:
    """A re-run of a capsule in which one attempt was answered otherwise differs first in just that message."""
    stretch = stretch_of(outage)
    names = cast_of(stretch).names
    changed = cut(outage).text.replace('message = "m01/1"\nattempt = 1\n', 'message = "m02/1"\nattempt = 9\n', 1)
    changed = changed.replace("[[provider]]", '[[fault]]\nmessage = "m01/1"\nanswer = "permanent"\n\n[[provider]]', 1)
    fidelity = fidelity_of(stretch, cast_of(stretch), run_once(read(changed, Path("changed.toml")), 1))
    assert fidelity.alike == len(names) - 1
    assert fidelity.first is not None
    assert (fidelity.first.message, fidelity.first.recorded, fidelity.first.retold) == (
        "m01/1",
        "AttemptTaken",
        "AttemptFailed",
    )


def test_what_was_open_before_is_carried_in(outage: Evidence) -> None:
    """Messages that a stretch finds open arrive at its begin, in their order; what they went through is told of."""
    capsule = cut(outage, since_us=61 * SECOND_US)
    world = read_capsule(capsule)
    carried = [arrive for arrive in world.arrivals if arrive.at_us < capsule.carried]
    assert len(carried) == capsule.carried > 0
    assert world.start_us == outage.scenario.start_us + 61 * SECOND_US
    assert any("open before" in sentence for sentence in capsule.left_out)
    assert "open before" in capsule.text
    assert run_once(world, 1).has_ended


def test_policies_in_force_are_written_out() -> None:
    """A capsule runs under the policy that the log says, whatever presets mean in another release."""
    world = run(
        '[policies.email]\nretry = { first = "2s", factor = 2, times = 3, ceiling = "1m", jitter = 0 }\n'
        'limits = { lane = "7/min", burst = 3 }\nquiet_hours = { from = "21:00", to = "07:00", zone = "Asia/Tokyo" }\n'
        '[[arrive]]\nchannel = "email"\nto = "a{n}@example.org"\ncount = 3\n'
    )
    (lane,) = read_capsule(cut(world)).settings.lanes
    (own, *_) = [known for known in world.scenario.settings.lanes if known.name == "email"]
    assert lane.policy == own.policy


def test_policies_that_messages_name_are_written_out() -> None:
    """A message that names a policy goes by what that says, though no lane has it."""
    world = run(
        '[policies.patient]\nextends = "email"\nretry = { after = ["7m"], jitter = 0 }\n'
        '[[arrive]]\nchannel = "email"\nto = "a{n}@example.org"\ncount = 2\npolicy = "patient"\n'
        '[[fault]]\nlane = "email"\nattempt = 1\nanswer = { status = 503 }\n'
    )
    again, fidelity = retold(world)
    assert again.scenario.settings.policies["patient"].retry == world.scenario.settings.policies["patient"].retry
    assert (fidelity.alike, fidelity.messages) == (2, 2)


def test_hosts_hooks_and_fallbacks_are_kept_apart_and_together() -> None:
    """Webhooks of one host stay with one host, a customer's hooks in their line, and a fallback with its message."""
    world = run(
        '[hooks.stripe]\nscheme = "stripe"\norder_by = "/data/object/customer"\n'
        '[lanes.calls]\nchannel = "webhook"\n[lanes.mail]\nchannel = "email"\n[lanes.chat]\nchannel = "whatsapp"\n'
        '[[arrive]]\nchannel = "webhook"\nto = "https://shop{n%2}.example/{n}"\ncount = 6\n'
        '[[arrive]]\nhook = "stripe"\ncount = 6\ncontent = { data = { object = { customer = "cus{n%3}" } } }\n'
        '[[arrive]]\nname = "chats"\nchannel = "whatsapp"\nto = "+4912345678{n}"\n'
        'fallback = [{ channel = "email", to = "b@example.org" }]\n'
        '[[fault]]\narrivals = "chats"\nlane = "chat"\nanswer = "permanent"\n'
    )
    again, fidelity = retold(world)
    assert (fidelity.alike, fidelity.first) == (14, None)
    stories = list(again.chronicle.stories.values())
    assert len({story.accepted.host for story in stories if story.accepted.channel == "webhook"}) == 2
    assert len({story.accepted.conversation for story in stories if story.accepted.channel == "hook"}) == 3
    assert [story.key for story in stories if story.cause] == ["m13/1+1"]
    assert any(isinstance(one.event, e.FallbackStarted) for story in stories for one in story.entries)


def test_a_recorded_answer_stands_for_its_own_time_only() -> None:
    """Within a minute of its instant it is met; further away, what the file says of that time is."""
    text = """\
[[arrive]]
name = "mails"
at = "{at}"
channel = "email"
to = "reader@example.com"
[[answered]]
message = "mails/1"
attempt = 1
at = "5m"
answer = "permanent"
"""
    ends = {}
    for at in ("4m30s", "5m30s", "3m", "7m"):
        minutes, _, rest = at.partition("m")
        seconds = int(minutes) * 60 + int(rest.rstrip("s") or 0)
        world = run_once(scenario(text.replace("{at}", f"{seconds}s")), 1)
        ends[at] = [met.is_recorded for met in world.books.met]
    assert ends == {"4m30s": [True], "5m30s": [True], "3m": [False], "7m": [False]}


def test_receipts_and_chance_are_met_as_recorded() -> None:
    """Receipts come when they came, and the next attempt when the recorded chance says, whatever the seed."""
    text = """\
[[provider]]
receipts = { by = "id", delivered = "1m" }
[[arrive]]
name = "mails"
channel = "email"
to = "reader@example.com"
[[answered]]
message = "mails/1"
attempt = 1
answer = { transient = true }
connects = "10ms"
takes = "20ms"
jitter = 0.75
[[answered]]
message = "mails/1"
attempt = 2
connects = "0s"
takes = "0s"
told = [{ status = "sent", after = "2s" }, { status = "read", after = "9s" }]
"""
    for seed in (1, 2):
        world = run(text, seed=seed)
        (story,) = world.chronicle.stories.values()
        (again,) = [one for one in story.entries if isinstance(one.event, e.AttemptStarted) and one.event.attempt == 2]
        assert again.at_us - world.scenario.start_us == 20_000 + 1_050_000
        told = [one for one in story.entries if isinstance(one.event, e.ReceiptSeen)]
        assert [
            (one.event.status, one.at_us - again.at_us) for one in told if isinstance(one.event, e.ReceiptSeen)
        ] == [
            ("sent", 2 * SECOND_US),
            ("read", 9 * SECOND_US),
        ]


def test_every_table_of_a_capsule_reads_back(outage: Evidence) -> None:
    """What is written is TOML, and each attempt stands in it once with its times."""
    tree = tomllib.loads(cut(outage).text)
    answered = cast("list[dict[str, object]]", tree["answered"])
    assert len({(one["message"], one["attempt"]) for one in answered}) == len(answered) == len(outage.books.met)
    assert all({"at", "told"} <= one.keys() for one in answered)
