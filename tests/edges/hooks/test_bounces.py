"""Answers for what comes back by mail: whose message a report is about, and what it proves of an address."""

from email.message import EmailMessage
from email.policy import SMTP

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.channels.mail import mail_of, sender_of
from adapters.hooks.bounces import CONTENT_TYPE_BYTES_MAX, LOOKED_AT_BYTES_MAX, RECIPIENTS_MAX, RULES, receipts
from core.news import Receipt
from core.outcomes import Failure, OptOut, Permanent, Recipient
from core.ports import Parcel

MESSAGE = "msg_0123456789abc"
AT_US = 1_769_760_600_000_000  # 2026-01-30T08:10:00Z


def ours() -> bytes:
    """A mail as we send it, which a report returns."""
    parcel = Parcel(
        message=MESSAGE, stream=1, attempt=1, tenant="t", to="ann@example.com",
        content=msgspec.json.encode({"subject": "Tomorrow", "text": "See you at nine.\n"}),
        accepted_us=1_769_760_000_000_000, deadline_us=0,
    )  # fmt: skip
    return mail_of(parcel, sender_of("no@example.com")).data


OURS = ours()
HEADERS = OURS.partition(b"\r\n\r\n")[0] + b"\r\n"
FAILED = (
    b"Final-Recipient: rfc822; ann@example.com\r\n"
    b"Action: failed\r\n"
    b"Status: 5.1.1\r\n"
    b"Remote-MTA: dns; mx.example.com\r\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 <ann@example.com>: Recipient address\r\n"
    b"    rejected: User unknown\r\n"
)
GONE = Recipient(code="5.1.1", detail="550 5.1.1 <address>: Recipient address rejected: User unknown")


def report(
    *groups: bytes,
    mail: bytes = b"Reporting-MTA: dns; relay.example.com\r\n",
    returned: bytes = HEADERS,
    returned_as: bytes = b"text/rfc822-headers",
    told_as: bytes = b"message/delivery-status",
    kind: bytes = b"delivery-status",
) -> bytes:
    """A report as mail servers write it (RFC 3464, appendix E)."""
    return (
        b"From: MAILER-DAEMON@relay.example.com (Mail Delivery System)\r\n"
        b"To: no@example.com\r\n"
        b"Subject: Undelivered Mail Returned to Sender\r\n"
        b"Date: Fri, 30 Jan 2026 09:10:00 +0100\r\n"
        b"Auto-Submitted: auto-replied\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=" + kind + b';\r\n\tboundary="=_b/1"\r\n'
        b"\r\n"
        b"This is a MIME-encapsulated message.\r\n"
        b"\r\n--=_b/1\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nI am sorry.\r\n"
        b"\r\n--=_b/1\r\nContent-Type: " + told_as + b"\r\n\r\n" + b"\r\n".join([mail, *groups]) + b""
        b"\r\n--=_b/1\r\nContent-Type: " + returned_as + b"\r\n\r\n" + returned + b""
        b"\r\n--=_b/1--\r\n"
    )


def failed(failure: Failure, *, at_us: int | None = AT_US) -> Receipt:
    """The receipt of our message that failed so."""
    return Receipt(status="failed", echo=MESSAGE, at_us=at_us, code=failure.code, failure=failure)


@pytest.mark.parametrize(
    ("returned", "returned_as"),
    [
        (HEADERS, b"text/rfc822-headers"),
        (OURS, b"message/rfc822"),
        (HEADERS, b"message/rfc822"),
        (OURS, b"message/global"),
    ],
)
def test_a_bounce_finds_its_message(returned: bytes, returned_as: bytes) -> None:
    """By the Message-ID of the mail that it returns, whole or headers only; nothing that is kept names anybody."""
    assert receipts(report(FAILED, returned=returned, returned_as=returned_as)) == [failed(GONE)]


def test_an_envelope_id_is_enough() -> None:
    """A relay that returns nothing of the mail still gives back the id under which it was handed over."""
    mail = b"Reporting-MTA: dns; relay.example.com\r\nOriginal-Envelope-Id: " + MESSAGE.encode() + b"\r\n"
    assert receipts(report(FAILED, mail=mail, returned=b"Subject: Tomorrow\r\n")) == [failed(GONE)]


def test_line_ends_may_be_those_of_a_mailbox() -> None:
    """A mail that was stored with bare line feeds is the same mail."""
    assert receipts(report(FAILED).replace(b"\r\n", b"\n")) == [failed(GONE)]


def test_a_report_about_an_address_beyond_ascii_is_read() -> None:
    """RFC 6533 gives such reports a type of their own."""
    group = FAILED.replace(b"rfc822; ann@example.com", "utf-8; zoë@example.com".encode())
    told = report(group, told_as=b"message/global-delivery-status", returned_as=b"message/global-headers")
    (receipt,) = receipts(told)
    assert (receipt.echo, receipt.code, receipt.failure) == (MESSAGE, "5.1.1", GONE)


STATUSES: list[tuple[str, str, Failure]] = [
    ("5.1.1", "", Recipient(code="5.1.1")),
    ("5.1.10", "", Recipient(code="5.1.10")),
    ("5.2.1", "", Recipient(code="5.2.1")),
    ("5.4.4", "", Recipient(code="5.4.4")),
    ("5.1.8", "", Permanent(code="5.1.8")),
    ("5.3.4", "", Permanent(code="5.3.4")),
    ("5.6.0", "", Permanent(code="5.6.0")),
    ("5.7.1", "550 5.7.1 looks like spam", Permanent(code="5.7.1", detail="550 5.7.1 looks like spam")),
    ("5.2.2", "", Recipient(code="5.2.2", soft=True)),
    ("5.4.1", "", Recipient(code="5.4.1", soft=True)),
    ("4.4.7", "", Recipient(code="4.4.7", soft=True)),
    ("4.7.1 (greylisted)", "", Recipient(code="4.7.1", soft=True)),
    # Where the report says no more than that it failed, the server's own words count.
    ("5.0.0", "550 5.1.1 no such user", Recipient(code="5.1.1", detail="550 5.1.1 no such user")),
    ("5.0.0", "452 4.2.2 full", Recipient(code="4.2.2", detail="452 4.2.2 full", soft=True)),
    ("", "550-5.7.26 no DMARC", Permanent(code="5.7.26", detail="<number> no DMARC")),
    ("5.0.0", "550 no such user", Recipient(code="5.0.0", detail="550 no such user", soft=True)),
    ("5.0.0", "550 blocked 195.1.1.20", Recipient(code="5.0.0", detail="550 blocked <number>", soft=True)),
    ("5.1.1", "550 5.7.1 odd", Recipient(code="5.1.1", detail="550 5.7.1 odd")),
    ("", "", Recipient(soft=True)),
    ("none", "", Recipient(soft=True)),
]


@pytest.mark.parametrize(("status", "told", "failure"), STATUSES)
def test_every_status_has_its_failure(status: str, told: str, failure: Failure) -> None:
    """Only what says that the address is gone condemns it; a full mailbox and a silent server are strikes."""
    group = f"Final-Recipient: rfc822; ann@example.com\r\nAction: failed\r\nStatus: {status}\r\n"
    group += f"Diagnostic-Code: smtp; {told}\r\n" if told else ""
    assert receipts(report(group.encode())) == [failed(failure)]


def test_no_report_can_stop_a_lane() -> None:
    """Whoever forges one may hurt the message that it names, and nothing beyond it."""
    assert {rule.means for rule in RULES} == {"gone", "permanent", "strike"}
    assert all(isinstance(failure, Recipient | Permanent) for _, _, failure in STATUSES)


@pytest.mark.parametrize("action", [b"delayed", b"relayed", b"delivered", b"expanded", b"", b"fail"])
def test_only_what_failed_has_failed(action: bytes) -> None:
    """A delay is no failure, and no other action is one either."""
    assert receipts(report(FAILED.replace(b"failed", action))) == []


def test_each_recipient_of_an_alias_counts() -> None:
    """One that failed beside one that is only delayed is one receipt; two that failed alike are one as well."""
    late = FAILED.replace(b"failed", b"delayed")
    full = FAILED.replace(b"5.1.1", b"5.2.2")
    first, second = receipts(report(late, FAILED, full, FAILED))
    assert (first, second.code) == (failed(GONE), "5.2.2")
    many = [FAILED.replace(b"5.1.1", b"5.2.%d" % number) for number in range(100, 200)]
    assert len(receipts(report(*many))) == RECIPIENTS_MAX


@pytest.mark.parametrize(
    ("returned", "mail"),
    [
        (b"Subject: Tomorrow\r\n", b"Reporting-MTA: dns; x\r\n"),
        (HEADERS.replace(MESSAGE.encode(), b"order-5"), b"Original-Envelope-Id: 5\r\n"),
        (HEADERS.replace(MESSAGE.encode(), b"msg_0123456789abcd"), b"Reporting-MTA: dns; x\r\n"),
        (HEADERS.replace(MESSAGE.encode(), b"msg_zzzzzzzzzzzzz"), b"Reporting-MTA: dns; x\r\n"),
        (b"X-Note: <" + MESSAGE.encode() + b"@example.com>\r\n", b""),
    ],
    ids=["nothing", "another's", "longer", "too large", "elsewhere"],
)
def test_a_report_about_no_mail_of_ours_says_nothing(returned: bytes, mail: bytes) -> None:
    """Anybody can write a report, so it has to know what only those know who saw the mail."""
    assert receipts(report(FAILED, returned=returned, mail=mail)) == []


def complaint(kind: str, *, returned: bytes = OURS) -> bytes:
    """A report of a person's complaint (RFC 5965)."""
    told = f"Feedback-Type: {kind}\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n".encode()
    return report(
        mail=told,
        returned=returned,
        returned_as=b"message/rfc822",
        told_as=b"message/feedback-report",
        kind=b"feedback-report",
    )


def test_a_complaint_is_a_wish_to_get_nothing_more() -> None:
    """The mailbox provider tells that somebody pressed the button for spam."""
    assert receipts(complaint("abuse")) == [failed(OptOut(code="abuse"))]
    assert receipts(complaint("Abuse")) == [failed(OptOut(code="abuse"))]


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "virus", "other", ""])
def test_other_feedback_says_nothing(kind: str) -> None:
    """Only abuse is a wish of a person's."""
    assert receipts(complaint(kind)) == []
    assert receipts(complaint("abuse", returned=b"Subject: x\r\n\r\n")) == []


def test_other_mail_says_nothing() -> None:
    """A vacation reply, a read receipt and a plain answer quote our id as well, and are about no failure."""
    reply = EmailMessage(policy=SMTP)
    reply["Auto-Submitted"] = "auto-replied"
    reply["In-Reply-To"] = f"<{MESSAGE}@example.com>"
    reply.set_content("I am away.\n" + FAILED.decode())
    seen = report(told_as=b"message/disposition-notification", kind=b"disposition-notification")
    attached = report(FAILED).replace(b"multipart/report", b"multipart/mixed")
    for mail in (bytes(reply), seen, attached, OURS, b""):
        assert receipts(mail) == []


@pytest.mark.parametrize(
    ("date", "at_us"),
    [
        (b"Fri, 30 Jan 2026 08:10:00 -0000", AT_US),
        (b"30 Jan 2026 08:10:00 GMT", AT_US),
        (b"yesterday", None),
        (b"Fri, 30 Jan 1900 08:10:00 +0000", None),
        (b"Fri, 30 Jan 99999 08:10:00 +0000", None),
        (b"\xff", None),
    ],
)
def test_the_instant_is_the_report_s(date: bytes, at_us: int | None) -> None:
    """One that cannot be read is unknown."""
    told = report(FAILED).replace(b"Fri, 30 Jan 2026 09:10:00 +0100", date)
    assert receipts(told) == [failed(GONE, at_us=at_us)]


def test_a_huge_mail_is_read_only_as_far_as_it_matters() -> None:
    """The report stands before the mail that it returns, however large that is."""
    told = report(FAILED, returned=OURS + b"x" * LOOKED_AT_BYTES_MAX * 4, returned_as=b"message/rfc822")
    assert receipts(told) == [failed(GONE)]


@pytest.mark.parametrize("before", [b"", b"X: y\r\n", b"X: y\r", b"X: y\n", b"X: y\r\n\r\n--=_b/1\r\n"])
def test_a_content_type_that_takes_minutes_to_read_is_not_read(before: bytes) -> None:
    """The parser's time grows with the square of its length, and anybody may send such a mail."""
    slow = before + b'Content-Type: multipart/report; a="' + b';\\"' * (LOOKED_AT_BYTES_MAX // 3) + b"\r\n\r\n"
    long = report(FAILED).replace(b"boundary", b" " * CONTENT_TYPE_BYTES_MAX + b"boundary")
    assert receipts(slow) == []
    assert receipts(long) == []
    assert receipts(long.replace(b" " * 200, b"")) == [failed(GONE)]


ODD = [
    b"Content-Type: multipart/report; boundary*0*=undefined''a; boundary*1=b\r\n\r\n--ab\r\n",
    b"Content-Type: multipart/report; boundary*=\x00''a\r\n\r\n--a\r\n",
    b"Content-Type: multipart/report; boundary*=idna''%ff%fe\r\n\r\n--a\r\n",
    b"Content-Type: multipart/report; boundary*=c; boundary*0*=undefined''a; boundary*1=b\r\n\r\n--ab\r\n",
    b"Content-Type: multipart/report; charset*=utf-7''; boundary=a\r\n\r\n\xff",
    b"Content-Type: multipart/report; boundary\r\n\r\n",
    b"".join(b'Content-Type: multipart/report; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(3_000)),
    b"Content-Type: message/rfc822\r\n\r\n" * 3_000,
    report(FAILED, told_as=b"message/delivery-status\r\nContent-Transfer-Encoding: base64"),
    report(b"\xff: \xfe\r\nAction: failed", returned=HEADERS),
    report(FAILED, returned=b"=?undefined?q?=00?=: x\r\nMessage-ID: =?x?b?\xff?= <>\r\n"),
]


@pytest.mark.parametrize("mail", ODD, ids=range(len(ODD)))
def test_a_mail_made_to_break_its_reader_does_not(mail: bytes) -> None:
    """Charsets and parameters that are none, and parts within parts without an end, are no reports of ours."""
    found = receipts(mail)
    assert all(receipt.echo == MESSAGE for receipt in found)


_lines = st.sampled_from(
    [
        b"Content-Type: multipart/report; boundary=a\r\n", b"Content-Type: message/delivery-status\r\n", b"\r\n",
        b"--a\r\n", b"--a--\r\n", b"Action: failed\r\n", b"Status: 5.1.1\r\n", HEADERS,
        b"Content-Type: text/rfc822-headers\r\n",
        b"Content-Type: message/rfc822\r\n", b"Content-Type: message/global-delivery-status\r\n", b"Date: \xff\r\n",
        b"Content-Type: message/feedback-report\r\n", b"Feedback-Type: abuse\r\n", b"Final-Recipient: rfc822; a@b\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
    ]
)  # fmt: skip


@given(mail=st.binary(max_size=300) | st.lists(_lines | st.binary(max_size=20), max_size=30).map(b"".join))
@example(mail=b"Content-Type: multipart/report; boundary=a\r\n\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\n")
def test_no_bytes_are_too_odd(mail: bytes) -> None:
    """Whatever comes by mail is read without an error, and only a report with an id of ours says anything."""
    assert all(receipt.echo == MESSAGE for receipt in receipts(mail))


@given(at=st.integers(0, 1_500), bytes_=st.binary(max_size=6), cut=st.integers(0, 200))
def test_no_damage_is_too_odd(at: int, bytes_: bytes, cut: int) -> None:
    """A report that was damaged on its way is read as far as it goes."""
    whole = report(FAILED, returned=OURS, returned_as=b"message/rfc822")
    found = receipts(whole[:at] + bytes_ + whole[at + cut :])
    assert len(found) <= 1
    assert all(receipt.status == "failed" for receipt in found)
