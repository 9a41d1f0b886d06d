"""Answers for what the sources of hooks in a file come to, and for what is said about wrong ones."""

import re
from collections.abc import Callable
from typing import Final

import msgspec
import pytest

from adapters.channels.forward_settings import ForwardSettings, KeptSettings
from adapters.config.hook_tables import HookTable
from adapters.config.loading import Mistaken
from adapters.hooks.accounts import (
    SCHEMES,
    GreenApiHooks,
    HmacHooks,
    MetaHooks,
    SharedKey,
    StandardHooks,
    StripeHooks,
    TokenHooks,
    TwilioHooks,
)
from adapters.hooks.sources import Sources
from adapters.web.auth import tenant_name
from adapters.web.front import WebBounds
from adapters.web.problems import Declined
from core.policies import MINUTE_US, PRESETS, SECOND_US
from tests.edges.config.conftest import Load
from tests.edges.hooks.vectors import SENDGRID_KEY

Mistakes = Callable[..., list[str]]

EXAMPLE: Final = """
[hooks.stripe]
scheme = "stripe"
secrets = [{ env = "STRIPE_SECRET" }, { env = "STRIPE_SECRET_OLD" }]
forward = "http://127.0.0.1:3000/stripe"
order_by = "/data/object/customer"
policy = { preset = "hook" }
"""
MAIL: Final = '[lanes.mail]\nchannel = "email"\nprovider = "sandbox"\n'
WHATSAPP: Final = """
[lanes.cloud]
channel = "whatsapp"
provider = "whatsapp_cloud"
whatsapp_cloud = { phone_number_id = "106540352242922", token = "EAAG" }
[lanes.one]
channel = "whatsapp"
provider = "green_api"
green_api = { instance = "1101", token = "token-of-one" }
[lanes.two]
channel = "whatsapp"
provider = "green_api"
green_api = { instance = "1102", token = "token-of-two" }
[lanes.resend]
channel = "email"
provider = "resend"
resend = { key = "re_key", from = "us@example.com" }
"""


def source(scheme: str, *lines: str, secrets: str = '["s"]', name: str = "x") -> str:
    """The table of one source."""
    return "\n".join((f"[hooks.{name}]", f'scheme = "{scheme}"', f"secrets = {secrets}", *lines)) + "\n"


def test_the_example_needs_nothing_more(loaded: Load) -> None:
    """Stripe with two secrets and a handler on this machine: a file of its own, without a lane or a warning."""
    config = loaded(EXAMPLE, {"STRIPE_SECRET": "new", "STRIPE_SECRET_OLD": "old"})
    [found] = config.sources
    assert (found.name, found.tenant, found.order_by, found.body_bytes_max, found.lanes) == (
        *("stripe", "default", "/data/object/customer", 1 << 20),
        (),
    )
    assert found.settings == StripeHooks(secrets=("new", "old"))
    [lane] = config.settings.lanes
    assert (lane.name, lane.channel, lane.provider, lane.policy) == ("stripe", "hook", "forward", PRESETS["hook"])
    assert config.providers == {"stripe": ForwardSettings(url="http://127.0.0.1:3000/stripe")}
    assert config.warnings == ()


def test_each_key_of_a_handler_reaches_it(loaded: Load) -> None:
    """What the table says is what the handler's channel is told; its timeout is the lane's as well."""
    lines = (
        'forward = "http://app.internal:3000/x"', 'signing_secrets = ["whsec_AAECAw==", "old"]', "allow_http = true",
        'allow_private = ["10.0.0.0/8"]', 'timeout = "9s"', 'keep_alive = "2s"',
    )  # fmt: skip  # A key each.
    config = loaded(source("stripe", *lines))
    assert config.providers["x"] == ForwardSettings(
        url="http://app.internal:3000/x",
        signing_secrets=("whsec_AAECAw==", "old"),
        allow_private=("10.0.0.0/8",),
        allow_http=True,
        timeout_us=9 * SECOND_US,
        keep_alive_us=2 * SECOND_US,
    )
    assert config.settings.lanes[0].policy.timeout_us == 9 * SECOND_US


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (source("stripe", 'tolerance = "1m"'), StripeHooks(secrets=("s",), tolerance_us=MINUTE_US)),
        (source("meta", 'verify_token = "v"'), MetaHooks(secrets=("s",), verify_token="v")),
        (source("standard"), StandardHooks(secrets=("s",))),
        (source("green_api", 'instances = ["1101"]'), GreenApiHooks(secrets=("s",), instances=("1101",))),
        (
            source("twilio", 'shared_keys = [{ id = "SK1", secret = "k" }]')
            + '[server]\npublic_url = "https://a.example"',
            TwilioHooks(secrets=("s",), public_url="https://a.example", shared_keys=(SharedKey(id="SK1", secret="k"),)),
        ),
        (
            source(
                "hmac", 'header = "X-S"', 'hash = "sha1"', 'encoding = "base64"', 'prefix = "v="', 'id_header = "I"'
            ),
            HmacHooks(secrets=("s",), header="X-S", hash="sha1", encoding="base64", prefix="v=", id_header="I"),
        ),
        (
            source("token", 'user = "postmark"', 'id_pointer = "/MessageID"'),
            TokenHooks(secrets=("s",), user="postmark", id_pointer="/MessageID"),
        ),
    ],
)
def test_each_key_of_a_scheme_reaches_its_settings(loaded: Load, text: str, settings: object) -> None:
    """What the table says is what the verifier is told."""
    config = loaded(MAIL + text)
    assert config.sources[0].settings == settings
    assert config.providers["x"] == KeptSettings()
    assert Sources(config.sources).named("x") is not None


def test_every_key_belongs_to_a_scheme_a_handler_or_all() -> None:
    """No setting of a scheme or a handler is without a key, and no key without anybody who reads it."""
    keys = {field.name for field in msgspec.structs.fields(HookTable)}
    of_schemes = {name for kind in SCHEMES.values() for name in kind.__struct_fields__} - {"public_url"}
    of_handlers = set(ForwardSettings.__struct_fields__) - {"url"}
    of_all = {"scheme", "tenant", "forward", "order_by", "lanes", "body_bytes_max", "policy"}
    assert keys == of_schemes | of_handlers | of_all


@pytest.mark.parametrize(
    ("scheme", "lines", "lanes"),
    [
        ("meta", (), ("cloud",)),
        ("green_api", (), ("one", "two")),
        ("green_api", ('instances = ["1102", "9"]',), ("two",)),
        ("green_api", ('lanes = ["one"]',), ("one",)),
        ("standard", (), ()),
        ("standard", ('lanes = ["resend"]',), ("resend",)),
        ("stripe", (), ()),
    ],
)
def test_a_source_tells_about_the_lanes_of_its_provider(
    loaded: Load, scheme: str, lines: tuple[str, ...], lanes: tuple[str, ...]
) -> None:
    """All of them unless some are named; Standard Webhooks come from anybody, so there they have to be."""
    secrets = '["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"]'
    [found] = loaded(WHATSAPP + source(scheme, *lines, secrets=secrets)).sources
    assert found.lanes == lanes
    assert found.accounts == {lane: {"one": "1101", "two": "1102"}[lane] for lane in lanes if lane in {"one", "two"}}


def test_bodies_have_a_bound_that_fits_their_sender(loaded: Load) -> None:
    """Meta's and GitHub's hooks are larger than others, and any bound may be moved within what memory allows."""
    text = source("meta", name="a") + source("github", name="b") + source("stripe", 'body_max = "64MiB"', name="c")
    assert [found.body_bytes_max for found in loaded(text).sources] == [3 << 20, 25 << 20, 64 << 20]
    assert WebBounds().hook_bytes_max >= 64 << 20


def test_a_policy_of_ones_own_extends_that_of_hooks(loaded: Load) -> None:
    """A source takes a named policy as a lane does, and a message may name what only hooks use as well."""
    text = source("stripe", 'policy = { preset = "patient", limits = { concurrency = 3 } }')
    config = loaded(text + '[policies.patient]\nretry = { after = ["1s"] }\n' + MAIL)
    policy = next(lane.policy for lane in config.settings.lanes if lane.name == "x")
    assert (policy.name, policy.poison, policy.limits.concurrency) == ("patient", PRESETS["hook"].poison, 3)
    assert config.settings.policies["patient"].poison == PRESETS["hook"].poison
    slow = loaded(source("stripe", 'policy = { preset = "hook-slow" }'))
    assert slow.settings.lanes[0].policy == PRESETS["hook-slow"]


def test_an_environment_variable_stands_over_the_file(loaded: Load) -> None:
    """A source's secrets and handler can be given by the environment alone."""
    config = loaded(source("stripe"), {"TIDINGS_HOOKS__X__SECRETS": '["other"]', "TIDINGS_HOOKS__X__ORDER_BY": "/a"})
    assert (config.sources[0].settings, config.sources[0].order_by) == (StripeHooks(secrets=("other",)), "/a")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[hooks]\nx = 5\n", "2 hooks.x: 5; a table"),
        ("hooks = 5\n" + MAIL, "1 hooks: 5; a table"),
        ("[hooks.x]\nsecrets = ['s']\n", '1 hooks.x.scheme: missing; "stripe" or '),
        (source("strip"), '2 hooks.x.scheme: "strip"; "stripe" or "meta"'),
        ("[hooks.x]\nscheme = 'stripe'\n", "1 hooks.x.secrets: missing; at least one secret"),
        (source("stripe", secrets="[]"), "3 hooks.x.secrets: a value that cannot stand; at least one secret"),
        (source("stripe", secrets='[{ env = "NONE" }]'), "3 hooks.x.secrets[0]: the environment has no NONE"),
        (source("sendgrid"), "3 hooks.x.secrets[0]: a value that cannot stand; a P-256 public key"),
        (source("stripe", "sekrets = 1"), "4 hooks.x.sekrets: unknown key; secrets"),
        (source("stripe", 'verify_token = "v"'), "4 hooks.x.verify_token: a key that stripe does not have; tolerance"),
        (source("github", 'tolerance = "1m"'), "4 hooks.x.tolerance: a key that github does not have; none of its own"),
        (source("hmac"), "1 hooks.x.header: missing; the name of a header"),
        (source("hmac", 'header = "a b"'), "4 hooks.x.header: a value that cannot stand; the name of a header"),
        (source("token", 'id_header = "a"', 'id_pointer = "/a"'), "5 hooks.x.id_pointer: a value that cannot stand"),
        (source("stripe", 'order_by = "data"'), '4 hooks.x.order_by: "data"; a JSON pointer such as'),
        (source("stripe", 'body_max = "65MiB"'), '4 hooks.x.body_max: "65MiB"; a size of at most "64MiB"'),
        (source("stripe", 'tenant = "a b"'), '4 hooks.x.tenant: "a b"; 1 to 64 letters'),
        (source("stripe", "allow_http = true"), "4 hooks.x.allow_http: a key of a handler; forward beside it"),
        (source("stripe", 'forward = "http://a.example/"'), "4 hooks.x.forward: a value that cannot stand; https, or"),
        (source("stripe", 'forward = "stripe"'), "4 hooks.x.forward: a value that cannot stand; a URL such as"),
        (
            source("stripe", 'forward = "https://a.example/"', 'signing_secrets = ["whsec_!"]'),
            "5 hooks.x.signing_secrets[0]: a value that cannot stand; base64 after whsec_",
        ),
        (
            source("stripe", 'forward = "https://a.example/"', 'ca_file = "none.pem"'),
            "5 hooks.x.ca_file: ",
        ),
        (source("twilio"), '2 hooks.x.scheme: "twilio" without a public address; public_url in [server]'),
        (source("stripe", 'policy = { preset = "hok" }'), '4 hooks.x.policy.preset: "hok"; hook (known: '),
        (MAIL + source("stripe", name="mail"), "4 hooks.mail: the name of a lane; another name"),
        (source("stripe", name="'a b'"), "1 hooks.a b: a name of another form"),
        (MAIL + source("meta", 'lanes = ["mail"]'), '7 hooks.x.lanes[0]: "mail", which is no lane of whatsapp_cloud'),
        (MAIL + source("stripe", 'lanes = ["mail"]'), '7 hooks.x.lanes[0]: "mail"; none, since hooks of stripe'),
    ],
)  # fmt: skip  # One text and its mistake a line.
def test_each_mistake_is_named_where_it_stands(mistakes: Mistakes, text: str, mistake: str) -> None:
    """Whatever is wrong is pointed at by line and key, with what was seen there and what was expected."""
    found = mistakes(text)
    assert [one for one in found if one.startswith(mistake)], found


def test_mistakes_of_sources_are_shown_with_all_others(mistakes: Mistakes) -> None:
    """One run shows every mistake of lanes and sources, each once and in the order of the lines."""
    text = """[lanes.mail]
channel = "fax"
provider = "sandbox"
[hooks.stripe]
scheme = "stripe"
secrets = ["s", ""]
order_by = "x"
[hooks.twilio]
scheme = "twilio"
"""
    assert [re.split(r"[ :]", one)[1] for one in mistakes(text)] == [
        *("lanes.mail.channel", "hooks.stripe.secrets[1]", "hooks.stripe.order_by"),
        *("hooks.twilio.secrets", "hooks.twilio.scheme"),
    ]


def test_no_secret_stands_in_a_mistake_or_a_settings_text(mistakes: Mistakes, loaded: Load) -> None:
    """What a file says in confidence is repeated nowhere."""
    text = source("sendgrid", 'user = "open-sesame"', secrets='["open-sesame"]')
    assert "open-sesame" not in str(mistakes(text))
    config = loaded(source("meta", 'verify_token = "open-sesame"', secrets='["open-sesame"]'))
    assert "open-sesame" not in repr(config)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (source("stripe"), "Source x has no handler and tells about no lane"),
        (source("stripe", 'forward = "https://a.example/"'), "Source x signs nothing"),
        (source("stripe", 'forward = "http://127.0.0.1:1/"'), None),
        (WHATSAPP.partition("[lanes.one]")[0] + source("meta"), None),
    ],
)
def test_what_is_likely_not_meant_is_warned_of(loaded: Load, text: str, warning: str | None) -> None:
    """A source that leads nowhere, and a handler elsewhere that cannot know who calls, are said at the start."""
    warnings = loaded(text).warnings
    assert [one for one in warnings if one.startswith(warning)] if warning else warnings == ()


def test_a_lane_that_never_hears_of_its_messages_is_warned_of(loaded: Load) -> None:
    """Each lane whose provider tells by hooks is named until a source tells about it, and what is advised ends it."""
    sendgrid = 'sendgrid = { key = "SG.key", from = "us@example.com" }\n'
    text = WHATSAPP + '[lanes.grid]\nchannel = "email"\nprovider = "sendgrid"\n' + sendgrid
    warnings = loaded(text).warnings
    assert [one.split()[1] for one in warnings] == ["cloud", "one", "two", "resend", "grid"]
    advised = [re.findall(r'scheme = "(\w+)" and (lanes = \S+)\.', one)[0] for one in warnings]
    assert [scheme for scheme, _ in advised] == ["meta", "green_api", "green_api", "standard", "sendgrid"]
    sources = "".join(
        source(scheme, lanes, secrets=f'["{SENDGRID_KEY if scheme == "sendgrid" else "s"}"]', name=f"x{number}")
        for number, (scheme, lanes) in enumerate(advised)
    )
    assert loaded(text + sources).warnings == ()


@pytest.mark.parametrize("name", ["default", "org1", "a.b-c_d", "a" * 64, "-a", "a b", "", "a" * 65, "ä"])
def test_a_tenant_is_one_that_keys_can_have(loaded: Load, name: str) -> None:
    """A source's tenant has the form that the API takes in its header."""
    try:
        is_one = tenant_name(name, "at") == name
    except Declined:
        is_one = False
    try:
        taken = loaded(source("stripe", f'tenant = "{name}"')).sources[0].tenant == name
    except Mistaken:
        taken = False
    assert taken is is_one
