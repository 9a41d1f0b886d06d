"""Answers for what is said about a wrong configuration: everything at once, where it stands, and what was expected."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.config.loading import Mistaken, load
from adapters.config.reading import Mistake
from tests.edges.config.conftest import Load

Mistakes = Callable[..., list[str]]

FIVE = """\
[server]
listen = "localhost"
[lanes.mail]
channel = "email"
provider = "smtp"
smtp = { host = "127.0.0.1", port = 99999, from = "us@example.com" }
policy = { preset = "emial", limits = { tenant = "30/minute" } }
[policies.email]
retri = { after = ["1s"] }
"""

LANE = '[lanes.mail]\nchannel = "email"\nprovider = "sandbox"\n'


def test_five_mistakes_are_shown_together(mistakes: Mistakes) -> None:
    """Five mistakes in five places make five lines, each with line, key, what was seen and what was expected."""
    assert mistakes(FIVE) == [
        '2 server.listen: "localhost"; host and port such as "127.0.0.1:8420" or "[::1]:8420"',
        "6 lanes.mail.smtp.port: 99999; a whole number from 1 to 65535",
        '7 lanes.mail.policy.limits.tenant: "30/minute"; a rate such as "10/s", "30/min", "5/h" or "1000/d", or "none"',
        '7 lanes.mail.policy.preset: "emial"; email (known: whatsapp, email, webhook, hook, hook-slow, push)',
        (
            "9 policies.email.retri: unknown key; retry (known: retry, limits, circuit, breaker, quiet_hours,"
            " on_ambiguous, poison, order, in_flight_max, retry_after_ceiling, rate_pause, give_up_after, timeout,"
            " reconcile, failover, failover_after, stale_after, extends)"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("listen = 1", "1 listen: unknown key"),
        ("[hook.stripe]\nscheme = 'stripe'\n" + LANE, "1 hook: unknown key; hooks"),
        ("[alerts]\n" + LANE, "1 alerts: unknown key"),
        ("server = 5\n" + LANE, "1 server: 5; a table"),
        ("lanes = []", "1 lanes: an array; a table"),
        ("", "0 lanes: missing"),
        ("[lanes.'a b']\nchannel = 'email'\nprovider = 'sandbox'", "1 lanes.a b: a name of another form"),
        ("[lanes.mail]\nprovider = 'sandbox'", "1 lanes.mail.channel: missing"),
        ("[lanes.mail]\nchannel = 'email'", "1 lanes.mail.provider: missing"),
        ("[lanes.mail]\nchannel = 'fax'\nprovider = 'sandbox'", '2 lanes.mail.channel: "fax"'),
        (
            "[lanes.mail]\nchannel = 'fax'\nprovider = 'sandbox'\npolicy = { preset = 'email' }",
            '2 lanes.mail.channel: "fax"',
        ),
        ("[lanes.mail]\nchannel = 'email'\nprovider = 'pigeon'", '3 lanes.mail.provider: "pigeon"'),
        ("[lanes.mail]\nchannel = 'email'\nprovider = 'green_api'", '3 lanes.mail.provider: "green_api", which'),
        ("[lanes.x]\nchannel = 'push'\nprovider = 'smtp'", '3 lanes.x.provider: "smtp", which does not serve push'),
        ("[lanes.x]\nchannel = 'email'\nprovider = 'smtp'", "1 lanes.x.smtp: missing"),
        (LANE + "webhook = {}", "4 lanes.mail.webhook: a table for webhook"),
        (LANE + "sandbox = { from = 'nobody' }", "4 lanes.mail.sandbox.from: a value that cannot stand"),
        (LANE + "[policies.a]\nextends = 'b'\n[policies.b]\nextends = 'a'", "5 policies.a.extends: a circle: a > b"),
        (LANE + "[policies.a]\nextends = 'a'", "5 policies.a.extends: a circle: a > a"),
        (LANE + "[policies.a]\nextends = 'pusch'", '5 policies.a.extends: "pusch"; push (known: '),
        (LANE + "[policies.a]\nretry = { after = ['1s'], times = 3 }", "5 policies.a.retry: both forms"),
        (LANE + "[policies.a]\nretry = { first = '1s' }", "5 policies.a.retry: a part of a form"),
        (LANE + "[policies.a]\nretry = { after = ['1s', '5'] }", '5 policies.a.retry.after[1]: "5"'),
        (LANE + "[policies.a]\npoison = { skip_after = 5 }", "5 policies.a.poison.skip_after: 5; a duration"),
        (LANE + "[policies.a]\npoison = 'none'", '5 policies.a.poison: "none"; "block" or "park" or { skip_after'),
        (LANE + "[policies.a]\nquiet_hours = { from = '21:00', to = '8' }", '5 policies.a.quiet_hours.to: "8"'),
        (LANE + "[policies.a]\nquiet_hours = { zone = 'Mars' }", '5 policies.a.quiet_hours.zone: "Mars"'),
        (LANE + "[policies.a]\nlimits = { burst = 0 }", "5 policies.a.limits.burst: 0"),
        (LANE + "[bounds]\nmail_max = '5'", '5 bounds.mail_max: "5"'),
        (LANE + "[bounds]\nstop_within = '30s'", "5 bounds.stop_within: 30s; at most 8s"),
        (LANE + "[bounds]\nidle_us = 5", "5 bounds.idle_us: unknown key; idle"),
        (LANE + "[store]\nurl = 'mysql://u:p@h/db'", "5 store.url: an address that is not shown"),
        (LANE + "[store]\nurl = 'tidings.db'", '5 store.url: "tidings.db"; "sqlite:///tidings.db"'),
        (LANE + "[store]\ninstallation_key = 'abc'", "5 store.installation_key: a text of another form"),
    ],
)  # fmt: skip  # One text and its mistake a line.
def test_each_mistake_is_named_where_it_stands(mistakes: Mistakes, text: str, mistake: str) -> None:
    """Whatever is wrong is pointed at by line and key, with what was seen there."""
    found = mistakes(text)
    assert [one for one in found if one.startswith(mistake)], found


def test_one_mistake_is_told_once(mistakes: Mistakes) -> None:
    """What stands in the place of a table is one mistake, and not one for each key that it does not have."""
    assert mistakes("lanes = { mail = 5 }") == ["1 lanes.mail: 5; a table"]
    assert mistakes("lanes = 5") == ["1 lanes: 5; a table"]
    assert mistakes("server = 'x'\n" + LANE) == ["1 server: a text; a table"]


def test_a_missing_environment_variable_is_named(mistakes: Mistakes) -> None:
    """A secret that is kept in an unset, an empty or a missing place is a mistake that names the place."""
    text = """[lanes.calls]
channel = "webhook"
provider = "webhook"
webhook = { secrets = [{ env = "UNSET_SECRET" }, { env = "EMPTY_SECRET" }, { file = "none.txt" }, 5, ""] }
"""
    found = mistakes(text, {"EMPTY_SECRET": ""})
    assert len(found) == 5
    for index, (mistake, place) in enumerate(
        zip(found, ("UNSET_SECRET", "EMPTY_SECRET", "none.txt", "", ""), strict=True)
    ):
        assert mistake.startswith(f"4 lanes.calls.webhook.secrets[{index}]: ")
        assert place in mistake


def test_a_secret_never_stands_in_a_mistake(mistakes: Mistakes) -> None:
    """A secret in a wrong form or place is not repeated in the message about it."""
    text = """[lanes.mail]
channel = "email"
provider = "smtp"
smtp = { host = "h", from = "us@example.com", user = "u", password = { text = "open sesame" } }
[lanes.other]
channel = "email"
provider = "smtp"
smtp = "smtp://u:open sesame@h"
[store]
installation_key = "open sesame"
"""
    found = mistakes(text)
    assert len(found) >= 3
    assert "sesame" not in "".join(found)


def test_a_mistake_in_a_variable_names_the_variable(loaded: Load) -> None:
    """What the environment sets wrongly is blamed on the variable, not on a line of the file."""
    with pytest.raises(Mistaken) as mistaken:
        loaded(LANE, {"TIDINGS_SERVER__LISTEN": "here", "TIDINGS_SERVERS__X": "1", "TIDINGS_BOUNDS__MAIL_MAX": "lots"})
    assert [(one.where, one.line, one.at) for one in mistaken.value.mistakes] == [
        ("environment variable TIDINGS_BOUNDS__MAIL_MAX", None, "bounds.mail_max"),
        ("environment variable TIDINGS_SERVER__LISTEN", None, "server.listen"),
        ("environment variable TIDINGS_SERVERS__X", None, "servers"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[server\n", 1, "Expected"),
        ("[server]\n\nlisten = \n", 3, "Invalid value"),
        ("a = 1\na = 2\n", 2, "Cannot overwrite"),
        ('x = """\nnever closed', 2, "Unterminated"),
        ("x = " + "[" * 5_000, None, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_says_where(loaded: Load, text: str, line: int | None, words: str) -> None:
    """A mistake of syntax is shown with its line and the parser's own words."""
    with pytest.raises(Mistaken) as mistaken:
        loaded(text)
    (mistake,) = mistaken.value.mistakes
    assert mistake.line == line
    assert words in mistake.seen


_KEYS = st.sampled_from(
    [
        *("server", "listen", "public_url", "store", "url", "lanes", "mail", "channel", "provider", "smtp", "webhook"),
        *("sandbox", "secrets", "allow_private", "timeout", "policy", "preset", "policies", "own", "extends", "retry"),
        *("green_api", "fcm", "resend", "whatsapp_cloud", "token", "key", "service_account", "failover", "reconcile"),
        *("after", "first", "limits", "tenant", "quiet_hours", "from", "zone", "poison", "breaker", "share", "bounds"),
        *("idle", "body_max", "misbehave", "outcome", "env", "file", "none", "", "é b"),
    ]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from(
        [
            "email",
            "smtp",
            "webhook",
            "sandbox",
            "fcm",
            "push",
            "green_api",
            "whatsapp",
            "30/min",
            "5m",
            "none",
            "own",
            "whsec_",
            "10.0.0.0/8",
            "",
        ]
    ),
    st.text(max_size=5),
)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=4)),
    max_leaves=12,
)
_FILES = st.fixed_dictionaries(
    {},
    optional={
        "lanes": st.dictionaries(_KEYS, st.dictionaries(_KEYS, _TREES, max_size=5), max_size=2),
        "policies": st.dictionaries(_KEYS, st.dictionaries(_KEYS, _TREES, max_size=5), max_size=2),
        "server": _TREES,
        "store": _TREES,
        "bounds": _TREES,
    },
)


@given(tree=_FILES)
def test_nothing_in_a_file_breaks_the_reading(tree: dict[str, object]) -> None:
    """Whatever values stand wherever in a file, the answer is a configuration or a list of mistakes."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tidings.toml"
        file.write_text(_written(tree))
        found = _mistakes_in(file)
    assert all(mistake.line is not None or mistake.at == "lanes" for mistake in found)


def _mistakes_in(file: Path) -> list[Mistake]:
    try:
        load(file, data=file.parent, environ={})
    except Mistaken as mistaken:
        return mistaken.mistakes
    return []


def _written(tree: dict[str, object]) -> str:
    return "".join(f"{_value(key)} = {_value(value)}\n" for key, value in tree.items() if value is not None)


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return repr(value) if isfinite(value) and "." in repr(value) else "0.5"
        case int():
            return str(value)
        case str():
            return '"' + "".join(f"\\U{ord(letter):08x}" if letter not in _PLAIN else letter for letter in value) + '"'
        case list():
            return "[" + ", ".join(_value(one) for one in value if one is not None) + "]"
        case dict():
            pairs = [f"{_value(key)} = {_value(one)}" for key, one in value.items() if one is not None]
            return "{ " + ", ".join(pairs) + " }"
        case _:
            return '""'


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_/. ")
