"""Requests as callers write them, for the tests of how they are read."""

from collections.abc import Mapping

import msgspec

from core.contents import Submission, submission_of
from core.policies import DAY_US

NOW_US = 1_769_760_000_000_000  # 2026-01-30T08:00:00Z
SEND_AT_MAX_US = 400 * DAY_US

Request = dict[str, object]

MAIL_CONTENT: Request = {"subject": "Hi", "text": "Hello"}
MAIL: Request = {"channel": "email", "to": "ann@Example.com", "content": MAIL_CONTENT}
EVENT: Request = {"channel": "webhook", "to": "https://Example.com", "content": {"type": "a.b", "data": {"n": 1}}}
CHAT: Request = {"channel": "whatsapp", "to": "+1 555 123 4567", "content": {"text": "Hello"}}
PUSH: Request = {"channel": "push", "to": "user-1", "content": {"title": "Hi", "body": "Hello"}}


def submission(asked: object, *, idempotency_key: str | None = None) -> Submission:
    """What a request (or a body as it is) comes to at NOW_US."""
    body = asked if isinstance(asked, bytes) else msgspec.json.encode(asked)
    return submission_of(body, now_us=NOW_US, send_at_max_us=SEND_AT_MAX_US, idempotency_key=idempotency_key)


def mail_with(changes: Mapping[str, object]) -> Request:
    """The mail with some fields of its content changed, or taken out by None."""
    content = {name: value for name, value in {**MAIL_CONTENT, **changes}.items() if value is not None}
    return {**MAIL, "content": content}
