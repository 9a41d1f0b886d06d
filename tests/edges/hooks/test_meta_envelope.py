"""Answers for batches: each update stands alone and whole, none is lost, and no bytes at all can raise."""

import hashlib
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.meta_envelope import BODIES_BYTES_MAX, UPDATES_MAX
from adapters.hooks.meta_items import items_of
from core.news import Item, PeerNews, Receipt
from tests.edges.hooks.meta_bodies import (
    METADATA,
    Object,
    body,
    change,
    contact,
    entry,
    preference,
    status,
    updates,
    written,
)


def value_of(item: Item) -> Object:
    """What the only change of an item holds."""
    envelope = msgspec.json.decode(item.body)
    (only,) = envelope["entry"]
    (single,) = only["changes"]
    assert set(envelope) == {"object", "entry"}
    return single["value"]  # type: ignore[no-any-return]


def test_a_batch_becomes_single_updates_in_their_order() -> None:
    """Entries, changes, messages and statuses are taken apart, each beside its own person and nobody else's."""
    batch = body(
        entry(
            updates(contacts=[contact(1), contact(2)], messages=[written(2), written(1)]),
            updates(contacts=[contact(3)], statuses=[status("sent", 3), status("delivered", 3)]),
        ),
        entry(change("account_update", event="PARTNER_ADDED")),
        entry(updates(messages=[written(4)], statuses=[status("read", 5)])),
    )
    items = items_of(batch)
    assert [item.key for item in items[:4]] == [
        "wamid.IN0002", "wamid.IN0001", "wamid.OUT0003/sent", "wamid.OUT0003/delivered",
    ]  # fmt: skip
    assert [item.kind for item in items[4:]] == ["account_update", "message", "status"]
    assert value_of(items[0]) == {
        "messaging_product": "whatsapp", "metadata": METADATA, "contacts": [contact(2)], "messages": [written(2)],
    }  # fmt: skip
    assert value_of(items[3])["contacts"] == [contact(3)]
    assert "messages" not in value_of(items[6])
    assert value_of(items[4]) == {"event": "PARTNER_ADDED"}


def test_a_full_batch_is_taken_apart() -> None:
    """A thousand updates, as many as Meta puts into one body, are a thousand items with news of their own."""
    half = UPDATES_MAX // 2
    people = [contact(number) for number in range(half)]
    messages = [written(number) for number in range(half)]
    statuses = [status("delivered", number) for number in range(half)]
    items = items_of(body(entry(updates(contacts=people, messages=messages, statuses=statuses))))
    assert len({item.key for item in items}) == len(items) == UPDATES_MAX
    assert [value_of(item)["messages"] for item in items[:half]] == [[message] for message in messages]
    assert [value_of(item)["statuses"] for item in items[half:]] == [[status] for status in statuses]
    written_by = [item.news[0].address for item in items[:half] if isinstance(item.news[0], PeerNews)]
    assert written_by == [f"+1555000{number:04}" for number in range(half)]
    echoes = [item.news[0].echo for item in items[half:] if isinstance(item.news[0], Receipt)]
    assert echoes == [f"msg_{number:013}" for number in range(half)]


def test_an_update_comes_back_as_the_same_item() -> None:
    """Meta may send an update again alone or in another batch; whatever its key, it is the same."""

    def wrote(*numbers: int) -> Object:
        return updates(contacts=[contact(n) for n in numbers], messages=[written(n) for n in numbers])

    def stopped(*numbers: int) -> Object:
        wishes = [preference("stop", n) for n in numbers]
        return change("user_preferences", contacts=[contact(n) for n in numbers], user_preferences=wishes)

    together = items_of(body(entry(wrote(1, 2), stopped(1, 2))))
    alone = [item for single in (wrote(1), wrote(2), stopped(1), stopped(2)) for item in items_of(body(entry(single)))]
    assert together == alone
    assert len({item.key for item in together}) == 4


def test_nobody_is_guessed() -> None:
    """Where no contact has the update's ids, none is taken for its person, and all of them stay beside it."""
    people = [contact(1), contact(2)]
    stranger, known = items_of(body(entry(updates(contacts=people, messages=[written(9, wa_id=False), written(2)]))))
    assert [news.address for news in stranger.news if isinstance(news, PeerNews)] == ["US.13491208655302740009"]
    assert (value_of(stranger)["contacts"], value_of(known)["contacts"]) == (people, [contact(2)])


def test_unknown_parts_travel_with_each_update() -> None:
    """What Meta adds tomorrow, at any level, is passed on beside every update, to the last digit."""
    one, other = b'{"id":"a","status":"sent","x":0.10}', b'{"id":"b","status":"sent"}'
    before = b'{"object":"o","new":1.50,"entry":[{"id":"1","new":[1e400],"changes":[{"field":"messages","new":-0,'
    before += b'"value":{"new":"\\u00e9","statuses":['
    after = b"]}}]}]}"
    items = items_of(before + one + b"," + other + after)
    assert [item.body for item in items] == [before + one + after, before + other + after]


@pytest.mark.parametrize(
    "odd",
    [
        *("text", None, 7, [], {}, {"id": "1"}, {"changes": []}, {"changes": {}}, {"changes": "text"}),
        *({"changes": ["text"]}, {"changes": [{}]}, {"changes": [{"field": 7, "value": 7}]}),
        *({"changes": [{"field": "messages"}]}, {"changes": [{"field": "messages", "value": {"messages": {}}}]}),
    ],
)
def test_an_odd_part_costs_no_other(odd: object) -> None:
    """An entry or change that we cannot read is an item beside the good ones, and stands in it as it came."""
    envelope = {"object": "whatsapp_business_account", "entry": [odd, entry(updates(statuses=[status("sent")]))]}
    strange, good = items_of(msgspec.json.encode(envelope))
    assert msgspec.json.decode(strange.body)["entry"] == [odd]
    assert strange.news == ()
    assert good.key == "wamid.OUT0001/sent"


@pytest.mark.parametrize("odd", ["text", None, 7, [], {}, {"id": 7}, {"id": ""}, {"id": "x" * 256}, {"id": "a\nb"}])
def test_an_update_without_an_id_has_a_key_all_the_same(odd: object) -> None:
    """It is known by what it is, and comes with no news that could be wrong."""
    change_of_it: Object = {"field": "messages", "value": {"messages": [odd]}}
    (item,) = items_of(body(entry(change_of_it)))
    (again,) = items_of(body(entry(change_of_it)))
    assert (item.kind, item.news) == ("message", ())
    assert len(item.key) == 64
    assert item == again


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"",
            b"{",
            b"null",
            b"[]",
            b"{}",
            b"\x00\xff",
            b"a=b&c=d",
            b'{"entry":[]}',
            b'{"entry":{}}',
            b'{"entry":[{}]',
        ),
        *(b'{"entry":["\xff"]}', b"[" * 100_000, b'{"entry":' + b"[" * 100_000, b'{"entry":["\\ud800"]}'),
    ],
)
def test_what_is_no_envelope_is_one_item_as_it_is(raw: bytes) -> None:
    """Nothing that verified is lost: the handler gets the bytes, under their digest and without a kind."""
    assert items_of(raw) == [Item(key=hashlib.sha256(raw).hexdigest(), body=raw)]


def test_more_than_meta_ever_sends_is_kept_whole() -> None:
    """Neither endless updates nor parts that repeat with each of them can make a body grow without bound."""
    many = body(entry(updates(statuses=[status("sent", number) for number in range(UPDATES_MAX + 1)])))
    around = "x" * (BODIES_BYTES_MAX // 20)
    wide = body(entry(change("messages", around=around, statuses=[status("sent", number) for number in range(21)])))
    for large in (many, wide):
        assert [item.body for item in items_of(large)] == [large]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def broken(whole: object) -> st.SearchStrategy[object]:
    """The same value with parts of it lost, doubled or replaced by anything."""
    if isinstance(whole, dict):
        parts = {name: broken(part) for name, part in whole.items()}
        return st.fixed_dictionaries({}, optional=parts) | JSON if parts else JSON
    if isinstance(whole, list):
        return st.lists(st.one_of([broken(part) for part in whole]), max_size=3) | JSON if whole else JSON
    return st.just(whole) | JSON


FAILED = status("failed", errors=[{"code": 131026}])
SAMPLE = msgspec.json.decode(
    body(
        entry(
            updates(contacts=[contact(1)], messages=[written(1)], statuses=[FAILED]),
            change("user_preferences", user_preferences=[preference("stop")]),
            change("account_update", event="X"),
        )
    )
)


def leaves(raw: bytes) -> Iterator[object]:
    """Every text and number that a body holds in its entries, but for contacts: those of others are left out."""
    waiting: list[object] = [msgspec.json.decode(raw)["entry"]]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(inner for name, inner in part.items() if name != "contacts")
        elif isinstance(part, list):
            waiting.extend(part)
        else:
            yield part


@given(broken(SAMPLE).map(msgspec.json.encode))
def test_nothing_that_is_shaped_oddly_raises_or_is_lost(raw: bytes) -> None:
    """Every update of an envelope in any state of disrepair is an item with a key, and all values are in some item."""
    items = items_of(raw)
    assert items
    assert all(item.key for item in items)
    decoded = msgspec.json.decode(raw)
    if isinstance(decoded, dict) and isinstance(decoded.get("entry"), list):
        kept = {repr(leaf) for item in items for leaf in leaves(item.body)}
        assert {repr(leaf) for leaf in leaves(raw)} <= kept


@given(st.binary())
def test_no_bytes_raise(raw: bytes) -> None:
    """Whatever the bytes, there is at least one item."""
    assert len(items_of(raw)) >= 1
