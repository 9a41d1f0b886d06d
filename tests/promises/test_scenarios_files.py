"""Scenario files: what may stand in them, and every mistake at once with its place."""

import copy
from pathlib import Path

import pytest

from adapters.config.loading import Mistaken, parsed, text_of
from core.policies import PRESETS, Quota, Schedule
from scenarios.draws import Draws
from scenarios.explore.worlds import tables
from scenarios.file.arriving import requests_of
from scenarios.file.loading import load, read, read_tree
from scenarios.file.readings import filled
from tests.promises.simulated import HEAD, scenario

_FILES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
_ARRAYS = ("arrive", "fault", "operator", "expect", "peer", "plan", "device", "provider", "answered")
# Each of its tables has a value that cannot be read, a key that is not known, and keys that do not go together.
_MANY_MISTAKES = """\
[lanes.mail]
channel = "email"
[[arrive]]
over = "ten"
cuont = 3
channel = "push"
batch = 3
[[fault]]
for = "x"
disk = "slow"
boundary = 3
lane = "nowhere"
[[operator]]
do = "pause"
at = "soon"
per_s = 3
[[expect]]
that = "peak"
count = "many"
held_by = "parked"
"""
# The file that the design shows.
_REMINDERS = """\
name = "Green API goes down in the middle of a reminder burst"
why = "Reminders must all arrive once, in order, and the tenant's 30/min must hold while the backlog drains."
start = 2026-01-30T08:00:00Z
runs_for = "6h"
seed = 7

[policies.whatsapp]
limits = { tenant = "30/min" }

[[arrive]]
at = "0s"
over = "10m"
count = 300
tenant = "org1"
channel = "whatsapp"
to = "+97250{n:07}"
content = { text = "See you tomorrow" }
idempotency_key = "event42/{n}/reminder_activation"
repeat = 0.05

[[provider]]
lane = "whatsapp"
latency = { median = "120ms", p99 = "2s" }

[[fault]]
at = "5m"
for = "20m"
lane = "whatsapp"
answer = { status = 503, share = 0.8 }

[[fault]]
at = "7m"
daemon = "crash"
down = "30s"

[[operator]]
at = "2h"
do = "redrive"
channel = "whatsapp"

[[expect]]
that = "delivered"
count = 300
by = "3h"
[[expect]]
that = "duplicates"
at_most = 2
"""


def _mistakes(text: str) -> list[str]:
    with pytest.raises(Mistaken) as raised:
        read(text, Path("world.toml"))
    return [str(mistake) for mistake in raised.value.mistakes]


def test_the_file_of_the_design_is_read() -> None:
    """Each part of it comes to what it says, in microseconds since the start."""
    found = read(_REMINDERS, Path("world.toml"))
    assert (found.seed, found.runs_for_us, found.start_us) == (7, 6 * 3_600_000_000, 1_769_760_000_000_000)
    whatsapp = next(lane for lane in found.settings.lanes if lane.name == "whatsapp").policy
    assert whatsapp.limits.tenant == Quota(count=30, window_us=60_000_000)
    assert whatsapp.retry == PRESETS["whatsapp"].retry
    assert [fault.at_us for fault in found.faults] == [300_000_000, 420_000_000]
    assert (found.faults[1].daemon, found.faults[1].down_us) == ("crash", 30_000_000)
    requests = list(requests_of(found.arrivals[0], found.start_us, Draws(found.seed)))
    assert len({request.key for request in requests}) == 300
    assert 300 < len(requests) < 340
    assert b'"+972500000300"' in requests[-1].body


def test_without_lanes_each_channel_has_one_by_its_preset() -> None:
    """A file that says nothing of lanes has one for each channel, called like it, under its preset."""
    lanes = scenario("").settings.lanes
    assert {lane.name: lane.policy for lane in lanes} == {
        name: policy for name, policy in PRESETS.items() if not name.startswith("hook")
    }
    assert all(lane.name == lane.channel for lane in lanes)


def test_lanes_and_policies_read_as_in_the_configuration() -> None:
    """A preset, what extends it, and what a lane changes about it come to the same policy as in a configuration."""
    text = """\
[policies.slow]
extends = "webhook"
retry = { after = ["1m", "1h"], jitter = 0 }
[lanes.calls]
channel = "webhook"
policy = { preset = "slow", limits = { gap = "2s" } }
"""
    (lane,) = scenario(text).settings.lanes
    assert lane.policy.retry == Schedule(after_us=(60_000_000, 3_600_000_000), jitter=0)
    assert (lane.policy.limits.gap_us, lane.policy.timeout_us) == (2_000_000, PRESETS["webhook"].timeout_us)


def test_every_mistake_is_told_at_once() -> None:
    """Six mistakes in six tables are six lines, in the order of the file, with what was seen and what was expected."""
    text = (
        _REMINDERS.replace("count = 300\ntenant", "count = 0\ntenant")
        .replace('median = "120ms"', 'median = "120"')
        .replace("status = 503", "status = 5030")
        .replace('daemon = "crash"', 'daemon = "crash"\ndisk = "full"')
        .replace('do = "redrive"', 'do = "redriven"')
        .replace("at_most = 2", "at_mst = 2")
    )
    found = _mistakes(text)
    assert [line.split(":")[1] for line in found] == ["13", "23", "29", "31", "39", "48"]
    assert found[0].endswith("arrive[0].count: 0; expected a whole number from 1 to 1000000000")
    assert "exactly one of answer, account, daemon, clock, disk" in found[3]
    assert "unknown key; expected at_most" in found[5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("start = 2020-01-01T00:00:00Z", "from 2025 on"),
        ('name = ""', "not empty"),
        ('colour = "red"', "unknown key"),
        ('[[arrive]]\nchannel = "email"\nto = "nobody"', "arrive[0].to: what message 1 asks for; expected"),
        ('[[arrive]]\nchannel = "fax"\nto = "x"', '"email" or "whatsapp"'),
        ('[[arrive]]\nchannel = "email"\nto = "a@b.example"\ncontent = { txt = "x" }', "arrive[0].content.txt"),
        ('[[arrive]]\nchannel = "email"\nto = "a@b.example"\nat = "3h"', "nothing later than runs_for, 2h"),
        ('[[arrive]]\nchannel = "email"\nto = "a@b.example"\nlane = "letters"', "arrive[0].lane"),
        ('[[arrive]]\nchannel = "email"\nto = "a@b.example"\npolicy = "none"', "arrive[0].policy"),
        ('[lanes.mail]\nchannel = "email"\n[[arrive]]\nchannel = "push"\nto = "u"', "which has no lane"),
        ('[[fault]]\nat = "1m"', "exactly one of"),
        ('[[fault]]\nanswer = "reset"\nlane = "fax"', "fault[0].lane"),
        ("[[fault]]\nanswer = { status = 503, share = 0.5 }\nshare = 0.5", "a second share"),
        ('[[fault]]\nanswer = "explode"', '"timeout", "reset", "lost_reply", "refused"'),
        ("[[fault]]\nanswer = { status = 503, colour = 1 }", "fault[0].answer.colour: 1; expected none beside status"),
        ("[[fault]]\nanswer = { status = 5030 }", "fault[0].answer.status: 5030; expected a whole number"),
        ("[[fault]]\nanswer = { colour = 1 }", "or a table such as"),
        ('[[fault]]\nanswer = { recipient = "hard" }', 'answer.recipient: "hard"; expected true or "soft"'),
        (
            "[[provider]]\nreceipts = { failed = { after = '1s', why = { status = 9 } } }",
            "failed.why.status: 9; expected",
        ),
        ('[[plan]]\nreference = "x"\nreminders = ["later"]', "/reminders/0/offset is required"),
        ('[[plan]]\nreference = ""', "plan[0].reference"),
        ('[[fault]]\ndaemon = "crash"\nfor = "1m"', "happens at an instant"),
        ('[[fault]]\nclock = "1h"', '"+1h" or "-90s"'),
        ('[[operator]]\nat = "1m"\ndo = "pause"', "the lane to pause"),
        ('[[operator]]\nat = "1m"\ndo = "reset"\nper_s = 2', "none with reset"),
        ('[[expect]]\nthat = "delivered"', "count, at_least, at_most or not_before"),
        ('[[expect]]\nthat = "peak"\nat_most = 3', "the length of the window"),
        ('[[expect]]\nthat = "lateness"\nat_most = "5s"\nnot_before = "1m"', "which is a measure"),
        ('[[expect]]\nthat = "delivered"\ncount = 1\ntenant = "nobody"', "expect[0].tenant"),
        ('[[provider]]\nlatency = { median = "2s", p99 = "1s" }', "not below the median"),
        ('crash = "sometimes"', 'crash: "sometimes"; expected "every boundary", or a table'),
        ('[[expect]]\nthat = "lateness"\nat_most = 5', 'as a duration such as "5s"'),
        ('[[expect]]\nthat = "delivered"\nat_most = "5s"', "at_most: 5s; expected a whole number"),
        ('[[arrive]]\nto = "a@b.example"', "arrive[0].channel: missing; expected a channel, or a hook"),
        ('[[arrive]]\nchannel = "email"\nto = "a@b.example"\nbatch = 3', "no batch, which hooks have"),
        ('[[arrive]]\nchannel = "email"\nto = "a@b.example"\nfailover = ["mail"]', "arrive[0].failover[0]"),
        ('[[arrive]]\nchannel = "email"\nto = "a@b.example"\nfallback_by = "1m"', "arrive[0].fallback_by"),
        (
            '[[arrive]]\nchannel = "email"\nto = "a@b.example"\nfallback = [{ channel = "push", to = "u", lane = "x"}]',
            "arrive[0].fallback[0].lane",
        ),
        ('[[arrive]]\nhook = "stripe"', 'arrive[0].hook: "stripe"; expected none here'),
        ('[hooks.stripe]\nscheme = "strype"', '"stripe" or "meta"'),
        ('[hooks.email]\nscheme = "stripe"', "hooks.email: the name of a lane"),
        ('[hooks.s]\nscheme = "stripe"\nlanes = ["whatsapp"]', "hooks.s.lanes[0]"),
        ('[hooks.s]\nscheme = "stripe"\n[[arrive]]\nhook = "s"\nto = "+12125550100"', "to of a hook from stripe"),
        ('[hooks.m]\nscheme = "meta"\n[[arrive]]\nhook = "m"', "the number of whoever wrote"),
        ("[[provider]]\nreceipts = { share = 0.5 }", "at least one of sent, delivered, read and failed"),
        ('[[provider]]\nreceipts = { failed = { after = "1s", why = "timeout" } }', 'such as { recipient = "soft" }'),
        ('[[fault]]\naccount = "down"', "the lane whose account it is"),
        ('[[fault]]\nanswer = { rate = "town" }', '"pair" or "sender" or "account" or "lane"'),
        ('[[fault]]\nanswer = { hold = "1h", growth = 2 }', "answer.growth: 2; expected none beside hold"),
        ('[[fault]]\nanswer = { recipient = "hard" }', 'true or "soft"'),
        ('[[fault]]\ndaemon = "freeze"', "fault[0].for: missing; expected how long it stands still"),
        ("[[fault]]\nclock = { drift = 0 }", '{ drift = 0.01 }, or { swings = "30s", every = "10m" }'),
        ('[[fault]]\nclock = { swings = "30s", every = "1s" }', "{ drift = 0.01 }, or"),
        ('[[fault]]\nstore = "lost"', '"lost_reply" or "error"'),
        ('[[fault]]\ndisk = "full"\nlatency = { median = "1s" }', 'none but with disk = "slow"'),
        ('[[fault]]\ndisk = "slow"\nlatency = { median = "2s", p99 = "1s" }', "not below the median"),
        ('[[provider]]\nidempotent = "long"', 'true, false, or a duration such as "24h"'),
        ('[[provider]]\ncapacity = { rate = "many" }', 'a rate such as "10/s"'),
        ('[[operator]]\nat = "1m"\ndo = "reschedule"', "operator[0].send_at: missing"),
        ('[[operator]]\nat = "1m"\ndo = "cancel"\nsend_at = "5m"', "none with cancel"),
        ('[[expect]]\nthat = "peak"\nwithin = "1m"\nat_least_share = 0.5', "a share of peak"),
        ('[[expect]]\nthat = "dead"\nheld_by = "parked"\ncount = 1', "expect[0].held_by"),
        ('[[expect]]\nthat = "dead"\nsince = "2m"\nby = "1m"\ncount = 1', "nothing later than by"),
        ('[[peer]]\nat = "1m"\ndid = "slept"', '"wrote" or "stopped" or "resumed"'),
        ('[[device]]\ntoken = "t"', "device[0].user: missing"),
        ('[[plan]]\nreference = "e"\nreminders = []', "an array of activation"),
        ('[[plan]]\nreference = "e"\nreminders = ["early"]', "is required, such as -P7D"),
        ('[[plan]]\nreference = "e"\nto = "nobody"', "plan[0]: what it asks for at /participants/0"),
        ('[[device]]\nuser = " u"', "device[0].user"),
        ("[bounds]\nawake = 3", "awake_max"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, words: str) -> None:
    """Each kind of mistake is found when the file is read, and told with the key and what was expected."""
    head = HEAD if not text.startswith(("start", "name")) else HEAD.replace(text.split(" ", maxsplit=1)[0], "# ", 1)
    assert any(words in line for line in _mistakes(f'{head}runs_for = "2h"\n{text}\n')), _mistakes(
        f'{head}runs_for = "2h"\n{text}\n'
    )


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """A missing file, bytes that are no text and text that is no TOML are mistakes like any other."""
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "text.toml").write_text("name = \n")
    for name, words in (("gone.toml", "cannot be read"), ("bytes.toml", "UTF-8"), ("text.toml", "TOML 1.0")):
        with pytest.raises(Mistaken, match=words):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("template", "number", "text"),
    [
        ("{n}", 7, "7"),
        ("+97250{n:07}", 42, "+972500000042"),
        ("{n%10:03}", 42, "002"),
        ("shop{n//10}", 42, "shop4"),
        ("{m} {n } {}", 42, "{m} {n } {}"),
        ("{fill:5}{n}", 42, "xxxxx42"),
    ],
)
def test_a_template_holds_the_number_of_its_arrival(template: str, number: int, text: str) -> None:
    """A number, its remainder and its quotient stand where a template says, with zeros before them where it asks."""
    assert filled(template, number) == text


def test_mistakes_of_different_kinds_in_one_table_are_told_at_once() -> None:
    """What cannot be read hides no other mistake of its table."""
    with pytest.raises(Mistaken) as raised:
        scenario(_MANY_MISTAKES)
    assert [mistake.at for mistake in raised.value.mistakes] == [
        "arrive[0].to", "arrive[0].over", "arrive[0].cuont", "arrive[0].channel", "arrive[0].batch",
        "fault[0].for", "fault[0].boundary", "fault[0].lane",
        "operator[0].lane", "operator[0].at", "operator[0].per_s",
        "expect[0].within", "expect[0].count", "expect[0].held_by",
    ]  # fmt: skip  # One table a row.


@pytest.mark.slow
@pytest.mark.parametrize("file", _FILES[::5], ids=lambda file: file.stem)
def test_one_mistake_is_told_as_one(file: Path) -> None:
    """A value that cannot be read stands for nothing else: no mistake follows from what takes its place."""
    tree = parsed(text_of(file), file)
    places = [(name, place) for name in _ARRAYS for place in range(len(tables(tree, name)))]
    for name, place, key in ((*at, key) for at in places for key in tables(tree, at[0])[at[1]]):
        broken = copy.deepcopy(tree)
        tables(broken, name)[place][key] = [1.5]
        with pytest.raises(Mistaken) as raised:
            read_tree(broken, file, lines={})
        assert len(raised.value.mistakes) == 1, (name, place, key)
