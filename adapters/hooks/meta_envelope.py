"""Meta's envelope, taken apart: one body with up to a thousand updates becomes as many bodies with one each.

This file answers for every update standing in an envelope of its own, in the shape in which Meta sends a single one,
made of the bytes that came. It must never lose a part that it does not know, and never raise: what cannot be taken
apart comes back as nothing, and its caller keeps the body whole.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from adapters.loose_json import elements, members, text

# Meta batches up to a thousand; a body with more is not its.
UPDATES_MAX: Final = 1_000
# What stands around a list is repeated with each of its updates: usually 200 bytes, and never so much as to fill this.
BODIES_BYTES_MAX: Final = 32 << 20

# Only here do the lists hold what their names say; `calls`, for one, has statuses of another kind.
LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "messages": ("messages", "statuses"),
    "user_preferences": ("user_preferences",),
}

_ENCODER: Final = msgspec.json.Encoder()

Members = dict[str, msgspec.Raw]


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One update in an envelope of its own, which is `body`.

    `listed` names the list that it stood in and `own` its element there; both are empty for a whole change.
    `value` is all of the change, lists included, and `contact` the one that the update is certainly about, empty where
    none is. `digest` tells it from all that are not the same, and is the same when Meta sends it again.
    """

    field: str
    listed: str = ""
    own: Members = {}
    value: Members = {}
    contact: Members = {}
    body: bytes
    digest: str


def pieces_of(body: bytes) -> list[Piece]:
    """Every update of a body, in the order in which they stand; empty where it is no envelope of Meta's or too much."""
    if not _is_utf8(body):
        return []  # What is passed on unread would come out as broken as it came in.
    found: list[Piece] = []
    left_bytes = BODIES_BYTES_MAX
    for piece in _pieces(members(body)):
        found.append(piece)
        left_bytes -= len(piece.body)
        if len(found) > UPDATES_MAX or left_bytes < 0:
            return []
    return found


def _pieces(envelope: Members) -> Iterator[Piece]:
    for raw_entry in elements(envelope.get("entry")):
        entry = members(raw_entry)
        changes = elements(entry.get("changes"))
        if not changes:
            yield Piece(field="", body=_encoded(envelope, raw_entry), digest=_digest(raw_entry))
        for change in changes:
            yield from _pieces_in(envelope, entry, change)


def _pieces_in(envelope: Members, entry: Members, raw_change: msgspec.Raw) -> Iterator[Piece]:
    change = members(raw_change)
    field, value = text(change.get("field")), members(change.get("value"))
    lists = {name: found for name in LISTS.get(field, ()) if (found := elements(value.get(name)))}
    if not lists:
        yield _piece(envelope, entry, raw_change, field=field, value=value)
        return
    contacts = elements(value.get("contacts"))
    by_id = _by_id(contacts)
    is_alone = len(contacts) == 1 and sum(len(found) for found in lists.values()) == 1
    around = {name: part for name, part in value.items() if name not in lists}
    for name, found in lists.items():
        for raw in found:
            own = members(raw)
            contact = contacts[0] if is_alone else _named_in(own, by_id)
            alone: dict[str, object] = {**around, name: [raw]}
            if contact is not None:
                alone["contacts"] = [contact]
            part = msgspec.Raw(_ENCODER.encode({**change, "value": alone}))
            about = members(contact)
            yield _piece(envelope, entry, part, field=field, listed=name, own=own, value=value, contact=about)


def _by_id(contacts: list[msgspec.Raw]) -> dict[str, msgspec.Raw]:
    found: dict[str, msgspec.Raw] = {}
    for raw in contacts:
        known = members(raw)
        for name in ("wa_id", "user_id"):
            found.setdefault(text(known.get(name)), raw)
    found.pop("", None)
    return found


def _named_in(own: Members, by_id: dict[str, msgspec.Raw]) -> msgspec.Raw | None:
    """The contact whose id an update names. Where none is, nobody is guessed, and all stay beside it."""
    names = ("from_user_id", "recipient_user_id", "user_id", "from", "recipient_id", "wa_id")
    return next((by_id[known] for name in names if (known := text(own.get(name))) in by_id), None)


def _piece(
    envelope: Members,
    entry: Members,
    change: msgspec.Raw,
    *,
    field: str,
    listed: str = "",
    own: Members | None = None,
    value: Members,
    contact: Members | None = None,
) -> Piece:
    return Piece(
        field=field,
        listed=listed,
        own=own or {},
        value=value,
        contact=contact or {},
        body=_encoded(envelope, {**entry, "changes": [change]}),
        digest=_digest(change, entry.get("time", msgspec.Raw(b""))),
    )


def _encoded(envelope: Members, entry: object) -> bytes:
    return _ENCODER.encode({**envelope, "entry": [entry]})


def _digest(*parts: msgspec.Raw) -> str:
    return hashlib.sha256(b"\n".join(bytes(part) for part in parts)).hexdigest()


def _is_utf8(body: bytes) -> bool:
    try:
        return body.isascii() or body.decode() is not None
    except UnicodeDecodeError:
        return False
