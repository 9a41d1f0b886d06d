"""Each law is known to fail: a bug that breaks it is planted in the daemon, and that law, and no other, finds it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.policies import CircuitRule, Limits, Quota, Schedule
from scenarios.file.loading import read
from scenarios.laws.registry import LAWS, Breach, breaches
from scenarios.run.judging import runs_of
from scenarios.world.ground import Parts
from tests.promises import plants, plants_explained, plants_forgetting
from tests.promises import plants_told as told
from tests.promises.test_several_daemons_broken import PLANTED as PLANTED_TOGETHER

pytestmark = pytest.mark.slow

_HEAD = """\
name = "A small world"
why = "Something is broken in it."
start = 2026-01-30T08:00:00Z
runs_for = "3h"
rests_within = "1d"
seed = 1
"""
_MAILS = """\
[[arrive]]
over = "1m"
count = 12
channel = "email"
to = "reader{n%3}@example.com"
"""
# Whoever took it in has fallen asleep by then, and nobody is left who could miss it.
_LATER = _MAILS.replace("{n%3}", "{n}") + 'send_at = "1h"\n'
_CALLS = """\
[[arrive]]
over = "1m"
count = 12
channel = "webhook"
to = "https://shop{n%3}.example/orders"
"""
_SOMETIMES_DOWN = """\
[[fault]]
for = "10m"
answer = { status = 503, share = 0.5 }
"""
_ANSWERS_ARE_LOST = """\
[[fault]]
for = "10m"
answer = { lost_reply = true, share = 0.5 }
"""
_LOOSE = """\
[policies.push]
in_flight_max = 2
[[arrive]]
count = 8
channel = "push"
to = "customer"
"""
_BY_THE_MINUTE = """\
[policies.email]
limits = { tenant = "5/min" }
[[arrive]]
count = 12
channel = "email"
to = "reader{n}@example.com"
"""
_BROKEN_ENDPOINT = """\
[policies.webhook]
retry = { after = ["2s", "2s", "2s", "2s", "2s", "2s", "5m"] }
[[arrive]]
channel = "webhook"
to = "https://shop.example/orders"
[[fault]]
for = "1m"
answer = { status = 500 }
"""
_TWO_TENANTS = """\
[policies.email]
limits = { lane = "60/min", burst = 4, recipient = "none" }
[[arrive]]
count = 40
tenant = "noisy"
channel = "email"
to = "reader{n}@example.com"
[[arrive]]
at = "2s"
count = 4
tenant = "quiet"
channel = "email"
to = "friend{n}@example.com"
"""
_TOMORROW = """\
[[arrive]]
channel = "email"
to = "reader@example.com"
send_at = "2h"
"""
_HOOKS = """\
[hooks.stripe]
scheme = "stripe"
[[arrive]]
hook = "stripe"
over = "1m"
count = 12
repeat = 1.0
"""
_UNWANTED = """\
[[fault]]
lane = "stripe"
answer = { status = 410 }
"""
_SLOW_DISK = """\
[disk]
latency = { median = "50ms", p99 = "200ms" }
"""
_FORGOTTEN = """\
[[operator]]
at = "2m"
do = "forget"
"""
_TEXTS = """\
[policies.whatsapp]
limits = { tenant = "none", gap = "0s" }
retry = { after = ["20s", "1m", "5m"], jitter = 0 }
reconcile = "20s"
on_ambiguous = "resend"
[[arrive]]
over = "1m"
count = 6
channel = "whatsapp"
to = "+97250000000{n%3}"
"""
_FIRST_IS_LOST = """\
[[fault]]
attempt = 1
channel = "whatsapp"
answer = "lost_reply"
"""
_TELLS = '[[provider]]\nchannel = "whatsapp"\nreceipts = { %s }\n'
_STOPPED = '[[peer]]\nat = "0s"\ndid = "stopped"\nchannel = "whatsapp"\n'
_LATER_TEXTS = _TEXTS.replace("[[arrive]]", '[[arrive]]\nat = "5m"')
_REFUSED_PACE = """\
[[fault]]
for = "10m"
channel = "whatsapp"
answer = { rate = "pair", after = "1s", growth = 4, share = 0.6 }
"""
_TWO_LANES = """\
[policies.two]
extends = "whatsapp"
limits = { tenant = "none", gap = "0s" }
failover = ["one", "two"]
[lanes.one]
channel = "whatsapp"
policy = { preset = "two" }
[lanes.two]
channel = "whatsapp"
policy = { preset = "two" }
[[arrive]]
over = "1m"
count = 4
channel = "whatsapp"
to = "+97250000000{n}"
[[fault]]
for = "5m"
lane = "one"
answer = { status = 503 }
[[fault]]
for = "10m"
lane = "two"
account = "down"
"""
_REPLACED = """\
[[arrive]]
over = "1m"
count = 3
channel = "whatsapp"
to = "+97250000000{n}"
fallback = [{ channel = "email", to = "reader{n}@example.com" }]
[[fault]]
channel = "whatsapp"
answer = "permanent"
"""
_AND_REFUSED = '[[fault]]\nchannel = "email"\nanswer = "permanent"\n'
_PAUSED = """\
[[operator]]
at = "1s"
do = "pause"
lane = "stripe"
[[operator]]
at = "2h"
do = "resume"
lane = "stripe"
"""
_DOWN_FOR_LONG = """\
[[fault]]
for = "10m"
answer = { status = 503 }
"""
_ORDERED_HOOKS = """\
[hooks.stripe]
scheme = "stripe"
order_by = "/data/object/customer"
[[arrive]]
hook = "stripe"
over = "1m"
count = 8
content = { data = { object = { customer = "cus_{n%2}" } } }
[[fault]]
for = "40s"
lane = "stripe"
answer = { status = 503 }
"""
_DEVICES = """\
[[device]]
count = 4
user = "customer-{n%2}"
device = "phone-{n}"
token = "registered-{n}"
[[arrive]]
at = "1m"
over = "1m"
count = 4
channel = "push"
to = "customer-{n%2}"
"""
_DEVICES_ARE_AWAY = '[[fault]]\nfor = "90s"\nchannel = "push"\nanswer = { status = 503 }\n'

PLANTED: dict[str, tuple[int, str, Parts]] = {
    "a channel raises": (0, _MAILS, Parts(channel_of=plants.channel_of(plants.RaisingChannel))),
    "a log drops what it said it had": (1, _LATER, Parts(log_of=plants.log_of(plants.ForgetfulLog))),
    "more in flight than the policy allows": (
        2,
        _LOOSE,
        Parts(settings_of=plants.policies_of(lambda policy: replace(policy, in_flight_max=5))),
    ),
    "a log answers before it is durable": (3, _SLOW_DISK + _CALLS, Parts(log_of=plants.log_of(plants.HastyLog))),
    "a governor with a shorter window": (
        4,
        _BY_THE_MINUTE,
        Parts(
            settings_of=plants.policies_of(
                lambda policy: replace(policy, limits=Limits(tenant=Quota(count=5, window_us=59_000_000)))
            )
        ),
    ),
    "a limit that nobody wakes up for": (4, _BY_THE_MINUTE, Parts(clock_of=plants.clock_of(plants.SleepyClock))),
    "retries before their schedule": (
        5,
        _CALLS + _SOMETIMES_DOWN,
        Parts(
            settings_of=plants.policies_of(
                lambda policy: replace(policy, retry=Schedule(after_us=(3_000_000,) * 9, jitter=0.1))
            )
        ),
    ),
    "retries that nobody wakes up for": (
        5,
        _CALLS + _SOMETIMES_DOWN,
        Parts(clock_of=plants.clock_of(plants.SleepyClock)),
    ),
    "a circuit that opens too late": (
        6,
        _BROKEN_ENDPOINT,
        Parts(settings_of=plants.policies_of(lambda policy: replace(policy, circuit=CircuitRule(failures=7)))),
    ),
    "a log that keeps other heads": (7, _CALLS, Parts(log_of=plants.log_of(plants.CarelessLog))),
    "a channel that repeats by itself": (
        8,
        _CALLS + _ANSWERS_ARE_LOST,
        Parts(channel_of=plants.channel_of(plants.InsistentChannel)),
    ),
    "a channel that is too sure": (
        8,
        _CALLS + _ANSWERS_ARE_LOST,
        Parts(channel_of=plants.channel_of(plants.SureChannel)),
    ),
    "a lane that favours a tenant": (9, _TWO_TENANTS, Parts(started=plants.favour_whoever_came_first)),
    "a channel that says whom it meant": (
        10,
        _CALLS + _SOMETIMES_DOWN,
        Parts(channel_of=plants.channel_of(plants.TalkativeChannel)),
    ),
    "chance from a shared stream": (11, _CALLS + _SOMETIMES_DOWN, Parts(chance_of=plants.SharedChance)),
    "hooks that nobody knows again": (13, _HOOKS + _UNWANTED, Parts(log_of=plants.log_of(plants.KeylessLog))),
    "hooks that overtake each other": (
        13,
        _ORDERED_HOOKS,
        Parts(settings_of=plants.policies_of(lambda policy: replace(policy, order="any"))),
    ),
    "evidence that is awaited for too short a time": (
        5,
        _TEXTS + _FIRST_IS_LOST,
        Parts(settings_of=plants.policies_of(lambda policy: replace(policy, reconcile_us=5_000_000))),
    ),
    "a doubt that nobody names": (
        3,
        _TEXTS + _FIRST_IS_LOST,
        Parts(started=told.actors_of(told.SilentActor)),
    ),
    "a receipt from which nothing follows": (
        8,
        _TEXTS + _FIRST_IS_LOST + _TELLS % 'by = "echo", delivered = "5s"',
        Parts(started=told.actors_of(told.DeafActor)),
    ),
    "a failure that overrides a delivery": (
        1,
        _TEXTS + _TELLS % 'delivered = "9s", failed = { after = "5s", beside = true }, disorder = 1.0',
        Parts(started=told.believe_failures),
    ),
    "receipts without a message that are dropped": (
        1,
        _TEXTS + _TELLS % 'delivered = "5s", early = 1.0',
        Parts(started=told.drop_strays),
    ),
    "ids that nobody is found by": (
        7,
        _TEXTS + _TELLS % 'delivered = "5s", share = 0',
        Parts(log_of=plants.log_of(told.NamelessLog)),
    ),
    "refusals that are never forgotten": (
        5,
        _TEXTS + _REFUSED_PACE,
        Parts(started=told.actors_of(told.ResentfulActor)),
    ),
    "a peer's word that nobody heeds": (
        5,
        _LATER_TEXTS + _STOPPED,
        Parts(started=told.actors_of(told.PushyActor)),
    ),
    "failover to a lane that is down": (5, _TWO_LANES, Parts(started=told.believe_all_lanes_up)),
    "a fallback that is begun twice": (
        1,
        _REPLACED + _AND_REFUSED,
        Parts(log_of=plants.log_of(told.ForgetfulOfFallbacksLog)),
    ),
    "fallbacks that nobody begins": (12, _REPLACED, Parts(started=told.begin_no_fallback)),
    "a push that misses a device": (1, _DEVICES, Parts(started=told.miss_a_device)),
    "a channel that says which token it meant": (
        10,
        _DEVICES + _DEVICES_ARE_AWAY,
        Parts(channel_of=plants.channel_of(told.TokenTellingChannel)),
    ),
    "explanations that see nothing in the way": (
        14,
        _HOOKS + _PAUSED,
        Parts(started=plants_explained.explain_hopefully),
    ),
    "explanations that name instants of their own": (
        14,
        _CALLS + _DOWN_FOR_LONG,
        Parts(started=plants_explained.explain_gloomily),
    ),
    "erased rows that are kept": (16, _MAILS + _FORGOTTEN, Parts(log_of=plants.log_of(plants_forgetting.HoardingLog))),
    "a clock that forgets sleepers": (12, _TOMORROW, Parts(clock_of=plants.clock_of(plants.ForgetfulClock))),
}


def _broken(text: str, parts: Parts) -> list[Breach]:
    scenario = read(_HEAD + text, Path("planted.toml"))
    return [
        breach
        for evidence in runs_of(scenario, scenario.seed, twice=True, parts=parts)
        for breach in breaches(evidence)
    ]


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_bug_breaks_its_law_and_no_other(plant: str) -> None:
    """A world with one broken part breaks exactly one law; with sound parts it breaks none.

    What is early or late may also belie what was said of it, so that the last law may be broken beside any other.
    """
    law, text, parts = PLANTED[plant]
    assert _broken(text, Parts()) == []
    found = _broken(text, parts)
    assert {breach.law for breach in found} - ({14} - {law}) == {law}, found


def test_no_law_goes_without_a_planted_bug() -> None:
    """Every law is known to fail on something."""
    assert {law.number for law in LAWS} == {law for law, _, _ in (*PLANTED.values(), *PLANTED_TOGETHER.values())}
