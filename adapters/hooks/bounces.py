"""What comes back by mail: reports that a mail could not be delivered (RFC 3464), and complaints about one (RFC 5965).

This file answers for finding out which of our messages a report is about, and what it says of its address. Anybody can
write such a mail, so one that does not carry the id of a message of ours says nothing here; and none can blame our own
set-up, which would stop a lane. It must never raise for any bytes.

Our id is in the Message-ID of every mail (adapters/channels/mail.py), and a report returns the headers of the mail that
it is about; where an envelope id was given (RFC 3461), that is our id too. Vacation replies are no reports.
"""

import re
from collections.abc import Iterator
from datetime import UTC
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final, Literal

import msgspec

from adapters.channels.scrubbing import scrubbed
from core import ids
from core.news import Receipt
from core.outcomes import Failure, OptOut, Permanent, Recipient
from core.policies import SECOND_US

# The report comes before the mail that it returns, whose attachments nobody needs.
LOOKED_AT_BYTES_MAX: Final = 131_072
# Reading parameters takes the parser time that grows with the square of their length; real ones have a hundred bytes.
CONTENT_TYPE_BYTES_MAX: Final = 1_000
# A report tells of one recipient, or of the few that an alias stands for.
RECIPIENTS_MAX: Final = 20

_REPORTS: Final = {"message/delivery-status", "message/global-delivery-status"}
_RETURNED: Final = {"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"}
_OURS: Final = re.compile(r"<?(msg_[0-9a-z]{13})(?![0-9a-z])", re.IGNORECASE)
_STATUS: Final = re.compile(r"(?<![\d.])[45]\.(\d{1,3})\.\d{1,3}(?!\.?\d)", re.ASCII)
# To the parser a line ends with CR, LF, or both.
_CONTENT_TYPE: Final = re.compile(
    rb"(?:\A|[\r\n])content-type[ \t]*:[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*", re.IGNORECASE
)
_BLANK_LINE: Final = re.compile(r"\r?\n[ \t]*\r?\n")


class Rule(msgspec.Struct, frozen=True):
    """One line of the table: `statuses` are enhanced codes (RFC 3463), or their beginnings where they end in a dot.

    `gone`: the address takes no mail. `permanent`: this mail, or who sent it, was not wanted; another may arrive.
    `strike`: nothing was taken this time, which proves little. No statuses: any.
    """

    means: Literal["gone", "permanent", "strike"]
    statuses: tuple[str, ...] = ()


RULES: Final = (
    Rule("gone", ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4")),
    Rule("permanent", ("5.1.7", "5.1.8", "5.2.3", "5.3.4", "5.4.6", "5.5.", "5.6.", "5.7.")),
    # A full mailbox, a server that did not answer for days, and whatever says no more than that it failed.
    Rule("strike"),
)


def receipts(mail: bytes) -> list[Receipt]:
    """What a mail tells of our messages: a receipt for a bounce or a complaint, nothing for whatever else it may be."""
    mail = mail[:LOOKED_AT_BYTES_MAX]
    if any(len(found[0]) > CONTENT_TYPE_BYTES_MAX for found in _CONTENT_TYPE.finditer(mail)):
        return []
    try:
        return list(dict.fromkeys(_receipts(message_from_bytes(mail))))
    except (ValueError, TypeError, RecursionError):
        # The parser's own ways to give up: a charset that is none, a parameter in pieces, parts within parts.
        return []


def _receipts(mail: Message) -> Iterator[Receipt]:
    if mail.get_content_type() != "multipart/report":
        return
    parts = _within(mail)
    echo = next((echo for part in parts if (echo := _returned_echo(part))), "")
    at_us = _instant_in(mail)
    for part in parts:
        kind = part.get_content_type()
        if kind in _REPORTS:
            yield from _bounced(part, echo, at_us)
        elif kind == "message/feedback-report" and echo and _is_abuse(part):
            yield _failed(echo, at_us, OptOut(code="abuse"))


def _bounced(report: Message, echo: str, at_us: int | None) -> Iterator[Receipt]:
    """One receipt a recipient that failed; those that are only delayed have not."""
    about_mail, *about_recipients = _groups(report) or [Message()]
    echo = _ours(_field(about_mail, "Original-Envelope-Id")) or echo
    for group in about_recipients[:RECIPIENTS_MAX]:
        if echo and _field(group, "Action").lower() == "failed":
            yield _failed(echo, at_us, _failure(group))


def _failed(echo: str, at_us: int | None, failure: Failure) -> Receipt:
    return Receipt(status="failed", echo=echo, at_us=at_us, code=failure.code, failure=failure)


def _failure(group: Message) -> Failure:
    told = _field(group, "Diagnostic-Code").partition(";")[2]
    code = _status_of(_field(group, "Status"), told)
    detail = scrubbed(told, to=_field(group, "Final-Recipient").partition(";")[2].strip())
    means = next(rule.means for rule in RULES if _fits(rule, code))
    if means == "permanent":
        return Permanent(code=code, detail=detail)
    return Recipient(code=code, detail=detail, soft=means == "strike")


def _fits(rule: Rule, code: str) -> bool:
    return not rule.statuses or any(
        code.startswith(status) if status.endswith(".") else code == status for status in rule.statuses
    )


def _status_of(status: str, told: str) -> str:
    """The enhanced code; the server's own words are asked where the report only says that it failed."""
    given = _STATUS.search(status)
    if given is None or given[1] == "0":
        given = _STATUS.search(told) or given
    return "" if given is None else given[0]


def _is_abuse(report: Message) -> bool:
    return any(_field(group, "Feedback-Type").lower() == "abuse" for group in _within(report))


def _returned_echo(part: Message) -> str:
    """The id of the message whose headers a part returns, empty where they are not of one of ours."""
    if part.get_content_type() not in _RETURNED:
        return ""
    text = part.get_payload()
    returned = [message_from_string(text)] if isinstance(text, str) else _within(part)
    return _ours(_field(returned[0], "Message-ID")) if returned else ""


def _groups(report: Message) -> list[Message]:
    """The groups of fields in a report: the first about the mail, each other about one recipient."""
    groups = _within(report)
    if report.get_content_type() == "message/delivery-status":
        return groups
    # In the form for addresses beyond ASCII (RFC 6533) the parser sees a mail: a head, and all else as its text.
    texts = [group.get_payload() for group in groups[:1]]
    rest = [text for whole in texts if isinstance(whole, str) for text in _BLANK_LINE.split(whole)]
    return [*groups[:1], *(message_from_string(text.strip()) for text in rest if text.strip())]


def _within(part: Message) -> list[Message]:
    content = part.get_payload()
    return [piece for piece in content if isinstance(piece, Message)] if isinstance(content, list) else []


def _field(headers: Message, name: str) -> str:
    """A field's text on one line, empty where there is none. Bytes beyond ASCII are shown as unknown."""
    return " ".join(str(headers.get(name, "")).split())


def _ours(text: str) -> str:
    found = _OURS.match(text)
    return found[1].lower() if found and ids.decode("msg", found[1]) is not None else ""


def _instant_in(mail: Message) -> int | None:
    try:
        moment = parsedate_to_datetime(_field(mail, "Date"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_us = int(moment.timestamp()) * SECOND_US
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at_us if at_us >= 0 else None
