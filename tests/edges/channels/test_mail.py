"""Answers for what a reader of mail sees, by the standard library's own parser."""

import email
from base64 import b64decode, b64encode
from email.message import EmailMessage
from email.policy import default

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.mail import Mail, mail_of, sender_of
from core.contents import submission_of
from core.errors import Invalid
from core.policies import DAY_US
from core.ports import Parcel
from tests.edges.channels.parcels import ACCEPTED_US, MESSAGE

LANE = sender_of('"Tidings, the house" <no-reply@example.com>')


def built(to: str = "ann@example.com", **content: object) -> Mail:
    """The mail that a content comes to, through the same door that requests take."""
    asked = msgspec.json.encode({"channel": "email", "to": to, "content": {"subject": "Hi", "text": "Hello"} | content})
    made = submission_of(asked, now_us=ACCEPTED_US, send_at_max_us=DAY_US)
    parcel = Parcel(
        message=MESSAGE, stream=1, attempt=1, tenant="t", to=made.to, content=made.content, accepted_us=ACCEPTED_US,
        deadline_us=ACCEPTED_US + DAY_US,
    )  # fmt: skip
    return mail_of(parcel, LANE)


def read(mail: Mail) -> EmailMessage:
    """The mail as a reader parses it; whatever a strict parser would complain about fails here."""
    parsed = email.message_from_bytes(mail.data, policy=default)
    assert isinstance(parsed, EmailMessage)
    assert not [defect for part in parsed.walk() for defect in part.defects]
    return parsed


def assert_fit_for_the_wire(mail: Mail) -> None:
    """ASCII lines of at most 998 characters that end in CRLF, and no other line end anywhere (RFC 5321, RFC 5322)."""
    assert mail.data.endswith(b"\r\n")
    for line in mail.data.split(b"\r\n"):
        assert len(line) <= 998
        assert b"\n" not in line
        assert b"\r" not in line
        assert mail.utf8 or line.isascii()


def test_a_plain_mail_has_what_a_mail_needs() -> None:
    """Headers that never change between attempts: the id is the message's, the date the acceptance."""
    mail = built()
    parsed = read(mail)
    assert_fit_for_the_wire(mail)
    assert dict(parsed.items()) == {
        "From": '"Tidings, the house" <no-reply@example.com>',
        "To": "ann@example.com",
        "Subject": "Hi",
        "Date": "Fri, 30 Jan 2026 08:00:00 +0000",
        "Message-ID": f"<{MESSAGE}@example.com>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
    }
    assert parsed.get_content() == "Hello\r\n"
    assert (mail.sender, mail.recipient, mail.utf8, mail.own_sender) == (
        "no-reply@example.com", "ann@example.com", False, True,
    )  # fmt: skip


def test_the_same_mail_is_the_same_bytes() -> None:
    """Boundaries and all: a mail that arrives twice is one mail to whoever compares."""
    files = [{"filename": "a", "content_type": "a/b", "data": ""}]
    once, again = (built(html="<p>Hi</p>", attachments=files) for _ in range(2))
    assert once.data == again.data


def test_a_message_may_name_its_sender_and_where_to_answer() -> None:
    """From, Reply-To and the envelope follow the content; its own domain does not enter the Message-ID."""
    mail = built(**{"from": "Zoë <zoe@clinic.example>", "reply_to": '"Desk, front" <desk@clinic.example>'})
    parsed = read(mail)
    assert parsed["From"].addresses[0].display_name == "Zoë"
    assert parsed["Reply-To"].addresses[0].display_name == "Desk, front"
    assert (mail.sender, mail.own_sender) == ("zoe@clinic.example", False)
    assert parsed["Message-ID"] == f"<{MESSAGE}@example.com>"


def test_text_and_html_are_alternatives() -> None:
    """A reader picks the form it can show, and both say the same letters."""
    parsed = read(built(text="Grüße\n", html="<p>Grüße</p>\n"))
    assert parsed.get_content_type() == "multipart/alternative"
    plain, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert (plain.get_content().strip(), html.get_content().strip()) == ("Grüße", "<p>Grüße</p>")


def test_html_alone_is_a_mail() -> None:
    """Without a text the mail is its HTML form."""
    parsed = read(built(text=None, html="<p>Hi</p>"))
    assert (parsed.get_content_type(), parsed.get_content().strip()) == ("text/html", "<p>Hi</p>")


def test_attachments_arrive_byte_for_byte() -> None:
    """Any bytes, any name, and a media type with its parameters."""
    data = bytes(range(256)) * 40
    files = [
        {"filename": "Übersicht.pdf", "content_type": "application/pdf", "data": b64encode(data).decode()},
        {"filename": "a.ics", "content_type": 'text/calendar; method=REQUEST; charset="utf-8"', "data": "QUJD"},
    ]
    mail = built(html="<p>Hi</p>", attachments=files)
    assert_fit_for_the_wire(mail)
    pdf, calendar = read(mail).iter_attachments()
    assert (pdf.get_filename(), pdf.get_content_type(), pdf.get_content()) == (
        "Übersicht.pdf", "application/pdf", data,
    )  # fmt: skip
    assert (calendar.get_filename(), calendar["Content-Type"].params["method"]) == ("a.ics", "REQUEST")
    payload = calendar.get_payload()
    assert isinstance(payload, str)
    assert b64decode(payload) == b"ABC"
    assert max(len(line) for line in mail.data.split(b"\r\n")) <= 200


def test_one_click_unsubscribe_stays_on_one_line_and_unencoded() -> None:
    """Mailbox providers read these two headers raw (RFC 8058); a fold inside the URI would lose the button."""
    where = f"<https://example.com/u/{'x' * 300}>, <mailto:u@example.com>"
    headers = {"List-Unsubscribe": where, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "X-Note": "Grüße"}
    mail = built(headers=headers)
    assert (
        f"\r\nList-Unsubscribe: {where}\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode() in mail.data
    )
    assert read(mail)["X-Note"] == "Grüße"


def test_a_caller_may_say_that_a_person_wrote_it() -> None:
    """Auto-Submitted is ours only where the caller says nothing."""
    assert read(built(headers={"auto-submitted": "no"})).get_all("Auto-Submitted") == ["no"]


def test_an_address_beyond_ascii_needs_the_extension() -> None:
    """Such a mail carries its addresses in UTF-8 and says so, while a display name alone does not need it."""
    mail = built(to="zoë@bücher.example")
    assert (mail.utf8, mail.recipient) == (True, "zoë@xn--bcher-kva.example")
    assert "\r\nTo: zoë@xn--bcher-kva.example\r\n".encode() in mail.data
    assert not built(**{"from": "Zoë <a@example.com>"}).utf8


@pytest.mark.parametrize("text", ["a\nb\rc\r\nd", ".\n..\n.x\n", "x" * 5_000, "ü" * 3_000 + "\n", "\n\n", "From me\n"])
@pytest.mark.parametrize("html", [None, "<p>x</p>"])
def test_every_text_reads_as_it_was_written(text: str, html: str | None) -> None:
    """Whatever its line ends, lengths and letters; line ends become those of mail, and one is added at the end."""
    mail = built(text=text, html=html) if html else built(text=text)
    assert_fit_for_the_wire(mail)
    part = read(mail).get_body(("plain",))
    assert part is not None
    assert part.get_content().splitlines() == text.splitlines()


def test_what_looks_encoded_is_read_as_written() -> None:
    """A subject or name that imitates an encoded word reaches the reader letter by letter."""
    parsed = read(built(subject="=?utf-8?q?secret?=", **{"from": '"=?utf-8?q?Boss?=" <a@example.com>'}))
    assert parsed["Subject"] == "=?utf-8?q?secret?="
    assert parsed["From"].addresses[0].display_name == "=?utf-8?q?Boss?="


# Half of them with what the door refuses, so that the other half is mostly let through.
_letters = st.text(st.characters(codec="utf-8"), max_size=80) | st.text(
    st.sampled_from('aZ0 äЖ漢☕<>@,;:"=?_.-()[]\\'), max_size=80
)


@given(subject=_letters, name=_letters, value=_letters, text=_letters.filter(bool))
def test_nothing_a_caller_writes_becomes_a_header(subject: str, name: str, value: str, text: str) -> None:
    """What the door lets through reads as it was written, with exactly our headers and no other."""
    try:
        sender = f'"{name}" <a@example.com>' if name else "a@example.com"
        mail = built(subject=subject, text=text, headers={"X-Note": value}, **{"from": sender})
    except Invalid:
        return
    assert_fit_for_the_wire(mail)
    parsed = email.message_from_bytes(mail.data, policy=default)
    assert sorted(parsed.keys()) == [
        "Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID",
        "Subject", "To", "X-Note",
    ]  # fmt: skip
    assert parsed["Subject"].strip() == subject.strip()
    assert parsed["X-Note"].strip() == value.strip()
    assert parsed["From"].addresses[0].addr_spec == "a@example.com"
