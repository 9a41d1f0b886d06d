"""What every party sends: the same messages for the daemon and for the yardsticks, marked so that a sink knows each.

Answers for: the JSON of a message, its address, and the mark by which a sink recognises it.
Must never: depend on the clock or on chance; the n-th message is the same in every run.
"""

import hmac

import msgspec

MARK = b"seq:"
"""Stands before the ten digits of a message's number, in a webhook's body and in a mail's text alike."""

_DIGITS = 10
_PADDING = "x" * 120  # brings the request's body to about 300 bytes, the size that the peers were measured with


def webhook(number: int, *, conversation: int, sink_url: str, extra: dict[str, object] | None = None) -> bytes:
    """The JSON of the `number`-th webhook message, addressed to one of the sink's conversations."""
    content = {"type": "order.changed", "data": {"mark": _mark(number), "note": _PADDING}}
    message = {"channel": "webhook", "to": f"{sink_url}/c/{conversation}", "content": content}
    return msgspec.json.encode({**message, **(extra or {})})


def email(number: int, *, conversation: int, extra: dict[str, object] | None = None) -> bytes:
    """The JSON of the `number`-th email."""
    content = {"subject": f"Order {number}", "text": f"{_mark(number)}\n{_PADDING[:60]}\n{_PADDING[:60]}\n"}
    message = {"channel": "email", "to": f"reader{conversation}@example.com", "content": content}
    return msgspec.json.encode({**message, **(extra or {})})


def event(number: int, *, conversation: int) -> bytes:
    """The JSON of the `number`-th event that a sender of hooks posts, of one of its customers."""
    about = {"customer": f"cus_{conversation}", "mark": _mark(number), "note": _PADDING}
    return msgspec.json.encode({"id": f"evt_{number}", "type": "invoice.paid", "data": {"object": about}})


def signed(body: bytes, secret: str, at_s: int) -> str:
    """What Stripe puts into its header for a body."""
    return f"t={at_s},v1={hmac.digest(secret.encode(), f'{at_s}.'.encode() + body, 'sha256').hex()}"


def number_in(body: bytes) -> int:
    """The number of the message that a delivered body carries; raises ValueError where there is no mark."""
    start = body.index(MARK) + len(MARK)
    return int(body[start : start + _DIGITS])


def _mark(number: int) -> str:
    return f"{MARK.decode()}{number:0{_DIGITS}d}"
