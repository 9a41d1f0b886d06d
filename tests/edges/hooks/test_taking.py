"""Answers for what is taken of a verified hook: which updates, under which keys, in which order, with which headers."""

from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.accounts import (
    SCHEMES,
    GitHubHooks,
    GreenApiHooks,
    HmacHooks,
    HookSettings,
    MetaHooks,
    SendGridHooks,
    StandardHooks,
    StripeHooks,
    TokenHooks,
    TwilioHooks,
)
from adapters.hooks.requests import RawHook
from adapters.hooks.sources import Source
from adapters.hooks.taking import items_in, lanes_concerned, submission_of
from core.content_shapes import HookContent
from core.news import Receipt
from tests.edges.hooks.meta_bodies import body, entry, status, updates, written
from tests.edges.hooks.posts import post
from tests.edges.hooks.samples import FORM_TYPE, JSON_TYPE

TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRETS: Final[HookSettings] = StripeHooks(secrets=("s",))
# Headers that open something at the sender's, or speak of one connection: none may ever go along.
FORBIDDEN: Final = [
    ("Authorization", "Bearer open-sesame"),
    ("Proxy-Authorization", "Basic open-sesame"),
    ("Cookie", "session=open-sesame"),
    ("Connection", "keep-alive"),
    ("Content-Length", "7"),
]


def source_of(
    settings: HookSettings = SECRETS, *, order_by: str | None = None, lanes: tuple[str, ...] = (), **accounts: str
) -> Source:
    """The source `shop` with these settings; `accounts` are by lane."""
    return Source(
        name="shop",
        tenant="org1",
        settings=settings,
        body_bytes_max=1 << 20,
        order_by=order_by,
        lanes=lanes or tuple(accounts),
        accounts=accounts,
    )


def contents_of(source: Source, hook: RawHook) -> list[HookContent]:
    """What the handler would get, an update each."""
    made = [submission_of(source, hook, item, trace=TRACE) for item in items_in(source, hook)]
    return [msgspec.json.decode(submission.content, type=HookContent) for submission in made]


def peers_of(source: Source, hook: RawHook) -> list[str]:
    """By what the updates are kept in order."""
    return [submission_of(source, hook, item, trace="").subject for item in items_in(source, hook)]


@pytest.mark.parametrize(
    ("settings", "hook", "key", "kind"),
    [
        (SECRETS, post(b'{"id":"evt_1","type":"invoice.paid"}'), "evt_1", "invoice.paid"),
        (
            GitHubHooks(secrets=("s",)),
            post(b"{}", [("X-GitHub-Delivery", "72d3162e"), ("X-GitHub-Event", "push")]),
            *("72d3162e", "push"),
        ),
        (
            StandardHooks(secrets=("s",)),
            post(b'{"type":"user.created"}', [("webhook-id", "msg_1")]),
            *("msg_1", "user.created"),
        ),
        (
            TwilioHooks(secrets=("s",), public_url="https://a.example"),
            post(b"MessageSid=SM1&MessageStatus=sent", [FORM_TYPE]),
            *("SM1:sent", ""),
        ),
        (HmacHooks(secrets=("s",), header="X-S", id_header="X-Id"), post(b"{}", [("X-Id", "7")]), "7", ""),
        (TokenHooks(secrets=("s",), id_pointer="/event/id"), post(b'{"event":{"id":8}}'), "8", ""),
    ],
)
def test_one_hook_is_one_message_under_its_senders_id(
    settings: HookSettings, hook: RawHook, key: str, kind: str
) -> None:
    """Key and kind are the sender's own, the body is the very one, and a repeat makes the same request."""
    source = source_of(settings)
    [item] = items_in(source, hook)
    submission = submission_of(source, hook, item, trace=TRACE)
    assert (submission.idempotency_key, submission.request) == (f"hook/shop/{key}", b"hook")
    assert (submission.channel, submission.lane, submission.subject) == ("hook", "shop", f"shop/event/{key}")
    [content] = contents_of(source, hook)
    assert (content.source, content.key, content.kind, content.body) == ("shop", key, kind, hook.body)
    assert content.headers["traceparent"] == submission.trace == TRACE


def test_a_batch_of_meta_is_a_message_each() -> None:
    """Every update has its own key and an envelope of its own, and its news."""
    hook = post(body(entry(updates(statuses=[status("sent", 1), status("read", 2)], messages=[written(3)]))))
    source = source_of(MetaHooks(secrets=("s",)), lanes=("chat",))
    keys = {content.key: content.kind for content in contents_of(source, hook)}
    assert keys == {"wamid.OUT0001/sent": "status", "wamid.OUT0002/read": "status", "wamid.IN0003": "message"}
    assert sum(isinstance(news, Receipt) for item in items_in(source, hook) for news in item.news) == 2
    assert all("X-Hub-Signature-256" not in content.headers for content in contents_of(source, hook))


def test_a_single_update_of_meta_is_handed_on_as_it_was_signed() -> None:
    """One update arrives in the bytes that Meta sent, with the signature that vouches for them."""
    raw = body(entry(updates(messages=[written(1)]))).replace(b'":', b'" : ')
    hook = post(raw, [("X-Hub-Signature-256", "sha256=ab"), JSON_TYPE])
    [content] = contents_of(source_of(MetaHooks(secrets=("s",))), hook)
    assert content.body == raw
    assert content.headers == {
        "Content-Type": "application/json", "X-Hub-Signature-256": "sha256=ab", "traceparent": TRACE
    }  # fmt: skip  # One set of headers.


def test_each_event_of_sendgrid_is_a_message() -> None:
    """An array of events becomes as many objects, under SendGrid's own ids."""
    events = [{"event": "delivered", "sg_event_id": f"e{n}", "sg_message_id": f"m{n}.f"} for n in range(3)]
    hook = post(msgspec.json.encode(events))
    contents = contents_of(source_of(SendGridHooks(secrets=("s",)), lanes=("mail",)), hook)
    assert [(content.key, msgspec.json.decode(content.body)) for content in contents] == [
        (f"e{n}", events[n]) for n in range(3)
    ]


def test_hooks_of_resend_bring_receipts_where_its_lanes_are_named() -> None:
    """The same body is a receipt for a lane of Resend's, and nothing but an event for any other sender's source."""
    told = b'{"type":"email.delivered","created_at":"2026-01-01T00:00:00Z","data":{"email_id":"re_1"}}'
    headers = [(f"svix-{part}", part) for part in ("id", "timestamp", "signature")]
    settings = StandardHooks(secrets=("s",))
    [item] = items_in(source_of(settings, lanes=("mail",)), post(told, headers))
    assert (item.key, len(item.news)) == ("id/re_1/email.delivered", 1)
    [item] = items_in(source_of(settings), post(told, headers))
    assert (item.key, item.news) == ("id", ())


@pytest.mark.parametrize("kind", SCHEMES.values())
def test_nothing_that_opens_anything_goes_along(kind: type[HookSettings]) -> None:
    """Credentials, cookies and what belongs to a connection stay behind, even where a file names them as the id's."""
    names: dict[str, dict[str, object]] = {
        "HmacHooks": {"header": "Authorization", "id_header": "Cookie"},
        "TokenHooks": {"header": "X-Token", "id_header": "x-token"},
        "TwilioHooks": {"public_url": "https://a.example"},
    }
    settings: HookSettings = msgspec.convert({"secrets": ("s",)} | names.get(kind.__name__, {}), kind)
    hook = post(b"{}", [*FORBIDDEN, ("X-Token", "open-sesame"), ("webhook-id", "x"), ("Tidings-Source", "evil")])
    for content in contents_of(source_of(settings), hook):
        assert set(content.headers) <= {"traceparent"}
        assert b"sesame" not in msgspec.json.encode(content.headers)


def test_only_headers_that_can_be_sent_again_go_along() -> None:
    """One that stands twice, is empty, or holds what does not print would say something else than it did."""
    settings = GitHubHooks(secrets=("s",))
    for odd in ([("X-GitHub-Event", "a"), ("x-github-event", "b")], [("X-GitHub-Event", "a\udcff")],
                [("X-GitHub-Event", "")], [("X-GitHub-Event", "a\tb")]):  # fmt: skip  # The ways of being odd.
        [content] = contents_of(source_of(settings), post(b"{}", odd))
        assert content.headers == {"traceparent": TRACE}
        assert content.kind == ""


def test_hooks_are_kept_in_order_by_what_the_pointer_finds() -> None:
    """The same customer is one conversation; where there is none, each event is one of its own."""
    source = source_of(order_by="/data/object/customer")
    bodies = [
        b'{"id":"evt_1","data":{"object":{"customer":"cus_1"}}}',
        b'{"id":"evt_2","data":{"object":{"customer":"cus_1"}}}',
        b'{"id":"evt_3","data":{"object":{"customer":{"id":"cus_1"}}}}',
        b'{"id":"evt_4"}',
        b"no json",
    ]
    found = [peers_of(source, post(body))[0] for body in bodies]
    assert found[:4] == ["shop/order/cus_1", "shop/order/cus_1", "shop/event/evt_3", "shop/event/evt_4"]
    assert found[4].startswith("shop/event/sha256:")


def test_an_event_cannot_pass_for_an_order() -> None:
    """What an event is called and what hooks are ordered by never meet in one conversation."""
    by_event = peers_of(source_of(), post(b'{"id":"cus_1"}'))
    by_order = peers_of(source_of(order_by="/customer"), post(b'{"id":"evt_1","customer":"cus_1"}'))
    assert not set(by_event) & set(by_order)


def test_a_form_is_ordered_by_one_of_its_fields() -> None:
    """Twilio's hooks are forms: a pointer names a field."""
    settings = TwilioHooks(secrets=("s",), public_url="https://a.example")
    hook = post(b"From=%2B14155550100&MessageSid=SM1&Odd=%FF", [FORM_TYPE])
    assert peers_of(source_of(settings, order_by="/From"), hook) == ["shop/order/+14155550100"]
    assert peers_of(source_of(settings, order_by="/Odd"), hook) == peers_of(source_of(settings), hook)


def test_an_account_is_known_by_its_instance() -> None:
    """What a notification tells of an instance concerns its lane alone; unnamed, it concerns the only lane there is."""
    settings = GreenApiHooks(secrets=("s",))
    both = source_of(settings, one="1101", two="1102")
    assert lanes_concerned(both, post(b'{"typeWebhook":"x","instanceData":{"idInstance":1102}}')) == ("two",)
    assert lanes_concerned(both, post(b'{"typeWebhook":"x","instanceData":{"idInstance":9}}')) == ()
    assert lanes_concerned(both, post(b"no json")) == ()
    assert lanes_concerned(source_of(settings, one="1101"), post(b"no json")) == ("one",)
    assert lanes_concerned(source_of(MetaHooks(secrets=("s",)), lanes=("a", "b")), post(b"{}")) == ("a", "b")


@given(
    st.sampled_from(list(SCHEMES.values())),
    st.binary(max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from(["Content-Type", "X-GitHub-Event", "svix-id", "X-Id"]),
            st.text("aé;=\udcff\t\0", max_size=9),
        )
    ),
    st.sampled_from([None, "/id", "/0/a", ""]),
)
def test_any_bytes_make_at_least_one_message(
    kind: type[HookSettings], body: bytes, headers: list[tuple[str, str]], order_by: str | None
) -> None:
    """Whatever verified is stored: nothing about body, headers and pointer can keep a hook from becoming messages."""
    more: dict[str, object] = {"secrets": ("s",), "header": "X-S", "id_header": "X-Id"}
    known = {name: value for name, value in more.items() if name in kind.__struct_fields__}
    if kind is TwilioHooks:
        known["public_url"] = "https://a.example"
    settings: HookSettings = msgspec.convert(known, kind)
    contents = contents_of(source_of(settings, order_by=order_by), post(body, headers))
    assert contents
    assert all(content.key and content.source == "shop" for content in contents)
