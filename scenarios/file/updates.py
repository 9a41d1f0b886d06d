"""Hooks as their senders write them: the bodies that Stripe and Meta would post for the events of a scenario.

This file answers for the shapes that production reads events out of (adapters/hooks); who signs and sends them stands
in world/hooking.py.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from core.news import Receipt
from core.policies import SECOND_US

Scheme = Literal["stripe", "meta"]
SCHEMES: Final[tuple[Scheme, ...]] = ("stripe", "meta")

_ACCOUNT: Final = "102290129340398"
_METADATA: Final = {"display_phone_number": "15550005555", "phone_number_id": "106540352242922"}
# What Meta calls a fault that says nothing more: its message will not be delivered.
_FAILED: Final = 131026


def stripe_event(key: str, content: Mapping[str, object], at_us: int) -> bytes:
    """One event of Stripe's; `content` says what of it the scenario cares for. Its id follows from the key."""
    usual = {"object": "event", "type": "invoice.paid", "created": at_us // SECOND_US, "data": {"object": {}}}
    return msgspec.json.encode({**usual, **content, "id": f"evt_{_word(key)}"})


def written_to_us(key: str, address: str, at_us: int) -> dict[str, object]:
    """A message that a person wrote to us over WhatsApp."""
    return {
        "from": address.removeprefix("+"),
        "id": f"wamid.{_word(key)}",
        "timestamp": str(at_us // SECOND_US),
        "type": "text",
        "text": {"body": f"an answer, number {key}"},
    }


def status_of(receipt: Receipt, address: str) -> dict[str, object]:
    """What became of a message of ours, as Meta tells it."""
    failed = {"errors": [{"code": _FAILED}]} if receipt.failure is not None else {}
    return {
        "id": receipt.provider_id,
        "status": receipt.status,
        "timestamp": str((receipt.at_us or 0) // SECOND_US),
        "recipient_id": address.removeprefix("+"),
        **({"biz_opaque_callback_data": receipt.echo} if receipt.echo else {}),
        **failed,
    }


def meta_body(listed: Literal["messages", "statuses"], updates: Sequence[Mapping[str, object]], at_us: int) -> bytes:
    """A hook of Meta's with some updates."""
    value = {"messaging_product": "whatsapp", "metadata": _METADATA, listed: list(updates)}
    change = {"field": "messages", "value": value}
    entry = {"id": _ACCOUNT, "time": at_us // SECOND_US, "changes": [change]}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


def _word(key: str) -> str:
    """A key without what an id may not hold."""
    return "".join(letter if letter.isalnum() else "_" for letter in key)
