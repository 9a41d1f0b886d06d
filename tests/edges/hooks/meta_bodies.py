"""Bodies as Meta sends them, made of parts."""

from typing import Final

import msgspec

Object = dict[str, object]

ACCOUNT: Final = "102290129340398"
AT_S: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
METADATA: Final[Object] = {"display_phone_number": "15550005555", "phone_number_id": "106540352242922"}


def body(*entries: Object) -> bytes:
    """A body with these entries."""
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": list(entries)})


def entry(*changes: Object, at_s: int = AT_S) -> Object:
    """An entry with these changes."""
    return {"id": ACCOUNT, "time": at_s, "changes": list(changes)}


def change(field: str, **value: object) -> Object:
    """A change of a field."""
    return {"field": field, "value": value}


def updates(*, contacts: list[Object] | None = None, **lists: list[Object]) -> Object:
    """A change with messages or statuses, and the people whom they are about."""
    people: Object = {} if contacts is None else {"contacts": contacts}
    return change("messages", messaging_product="whatsapp", metadata=METADATA, **people, **lists)


def contact(number: int, *, wa_id: bool = True) -> Object:
    """A person; one without a number shows a user name instead."""
    known: Object = {"profile": {"name": f"Person {number}"}, "user_id": f"US.1349120865530274{number:04}"}
    return {**known, "wa_id": f"1555000{number:04}"} if wa_id else known


def written(number: int, *, wa_id: bool = True, **more: object) -> Object:
    """A text that a person wrote."""
    sender: Object = {"from": f"1555000{number:04}"} if wa_id else {}
    return {
        **sender,
        "from_user_id": f"US.1349120865530274{number:04}",
        "id": f"wamid.IN{number:04}",
        "timestamp": str(AT_S + number),
        "type": "text",
        "text": {"body": f"hello {number} 👋"},
        **more,
    }


def status(word: str, number: int = 1, **more: object) -> Object:
    """What became of a message of ours."""
    return {
        "id": f"wamid.OUT{number:04}",
        "status": word,
        "timestamp": str(AT_S + number),
        "recipient_id": f"1555000{number:04}",
        "recipient_user_id": f"US.1349120865530274{number:04}",
        "biz_opaque_callback_data": f"msg_{number:013}",
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "utility", "type": "regular"},
        **more,
    }


def preference(value: str, number: int = 1, **more: object) -> Object:
    """What a person wants to get."""
    return {
        "wa_id": f"1555000{number:04}",
        "user_id": f"US.1349120865530274{number:04}",
        "category": "marketing_messages",
        "value": value,
        "detail": "User requested to change marketing messages",
        "timestamp": AT_S + number,
        **more,
    }


def error(code: object, **more: object) -> Object:
    """Why a message failed."""
    return {
        "code": code,
        "title": "Title",
        "message": "Title",
        "error_data": {"details": "Message to +15550000001 was not delivered"},
        **more,
    }
