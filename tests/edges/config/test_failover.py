"""Answers for lanes that stand in for each other, and for how long things are waited for: read, and checked."""

from collections.abc import Callable

import pytest

from core.policies import DAY_US, MINUTE_US, PRESETS, SECOND_US
from tests.edges.config.conftest import Load

Mistakes = Callable[..., list[str]]

THREE = """\
[lanes.meta]
channel = "whatsapp"
provider = "sandbox"
[lanes.green]
channel = "whatsapp"
provider = "sandbox"
[lanes.mail]
channel = "email"
provider = "sandbox"
"""


def test_an_order_of_lanes_is_read(loaded: Load) -> None:
    """A policy says in which order lanes stand in for each other, and how long things are waited for."""
    text = """
[policies.whatsapp]
reconcile = "90s"
failover = ["meta", "green"]
failover_after = "10s"
stale_after = "7d"
"""
    lanes = loaded(THREE + text).settings.lanes
    policy = lanes[0].policy
    assert (policy.reconcile_us, policy.failover_after_us) == (90 * SECOND_US, 10 * SECOND_US)
    assert (policy.failover, policy.stale_after_us) == (("meta", "green"), 7 * DAY_US)
    assert [lane.policy.lanes_from(lane.name) for lane in lanes] == [("meta", "green"), ("meta", "green"), ()]


def test_a_lane_has_an_order_of_its_own_and_may_take_it_away(loaded: Load) -> None:
    """A lane's own failover stands instead of the one that it extends; an empty one is none."""
    text = THREE.replace(
        "[lanes.green]", 'policy = { failover = ["meta", "green"], reconcile = "0s" }\n[lanes.green]'
    ).replace("[lanes.mail]", "policy = { failover = [] }\n[lanes.mail]")
    meta, green, mail = loaded(text + '[policies.whatsapp]\nfailover = ["green", "meta"]\n').settings.lanes
    assert (meta.policy.failover, meta.policy.reconcile_us) == (("meta", "green"), 0)
    assert green.policy.failover == ()
    assert (mail.policy.failover, mail.policy.failover_after_us) == ((), MINUTE_US)
    assert green.policy.reconcile_us == PRESETS["whatsapp"].reconcile_us


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            THREE + 'policy = { failover = ["mail", "post"] }',
            '10 lanes.mail.policy.failover[1]: "post"; one of mail',
        ),
        (
            THREE + 'policy = { failover = ["mail", "meta"] }',
            '10 lanes.mail.policy.failover[1]: "meta", a lane of whatsapp; lanes of one channel, here of email',
        ),
        (
            THREE + 'policy = { failover = ["mail", "mail"] }',
            '10 lanes.mail.policy.failover[1]: "mail" again; each lane once',
        ),
        (
            THREE.replace("[lanes.mail]", 'policy = { failover = ["meta"] }\n[lanes.mail]'),
            "7 lanes.green.policy.failover: other lanes only; green itself among them",
        ),
        (
            THREE + '[policies.own]\nfailover = ["meta", "gren"]',
            '11 policies.own.failover[1]: "gren"; green (known: meta, green)',
        ),
        (
            THREE + '[policies.own]\nfailover = ["meta", "mail"]',
            '11 policies.own.failover[1]: "mail", a lane of email; lanes of one channel, here of whatsapp',
        ),
        (
            THREE + '[policies.own]\nfailover = ["nobody"]',
            '11 policies.own.failover[0]: "nobody"; one of meta, green, mail',
        ),
        (THREE + "[policies.own]\nfailover = 'meta'", "11 policies.own.failover: a text; an array"),
        (THREE + "[policies.own]\nfailover = [5]", "11 policies.own.failover[0]: 5; a text in one line"),
        (THREE + "[policies.own]\nreconcile = 'soon'", '11 policies.own.reconcile: "soon"; a duration'),
        (THREE + "[policies.own]\nfailover_after = 60", "11 policies.own.failover_after: 60; a duration"),
        (THREE + "[policies.own]\nstale_after = '0s'", '11 policies.own.stale_after: "0s"; a duration'),
    ],
)
def test_each_mistake_is_named_where_it_stands(mistakes: Mistakes, text: str, mistake: str) -> None:
    """A lane that is not there, of another channel, twice, or without the lane itself is told with line and key."""
    found = mistakes(text)
    assert [one for one in found if one.startswith(mistake)], found
