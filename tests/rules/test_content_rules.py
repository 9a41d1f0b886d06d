"""Answers for what each channel can carry, and for saying where a content is wrong."""

import base64

import msgspec
import pytest

from core.errors import Invalid
from tests.rules.asking import CHAT, EVENT, MAIL, PUSH, Request, mail_with, submission


def file(**changes: object) -> list[Request]:
    """One attachment, with some of its fields changed."""
    return [{"filename": "a.txt", "content_type": "text/plain", "data": "QUJD"} | changes]


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"subject": None}, "/subject"),
        ({"subject": "a\r\nBcc: b@example.com"}, "/subject"),
        ({"subject": "a" * 901}, "/subject"),
        ({"subject": 1}, "/subject"),
        ({"text": None}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": "a\0b"}, "/text"),
        ({"html": "\0"}, "/html"),
        ({"from": "Ann"}, "/from"),
        ({"from": "Ann\r\n <a@example.com>"}, "/from"),
        ({"reply_to": "a@b@c"}, "/reply_to"),
        ({"cc": "b@example.com"}, "/cc"),
        ({"headers": {"X-A": 1}}, "/headers"),
        ({"headers": {"X-A": "a\r\nBcc: b@example.com"}}, "/headers/X-A"),
        ({"headers": {"X-A\r\nBcc": "b@example.com"}}, "/headers/X-A\r\nBcc"),
        ({"headers": {"X/A:": "a"}}, "/headers/X~1A:"),
        ({"headers": {"": "a"}}, "/headers/"),
        ({"headers": {"X-Ä": "a"}}, "/headers/X-Ä"),
        ({"headers": {"BCC": "b@example.com"}}, "/headers/BCC"),
        ({"headers": {"Message-Id": "<a@b>"}}, "/headers/Message-Id"),
        ({"headers": {"content-type": "text/html"}}, "/headers/content-type"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "/headers/x-a"),
        ({"headers": {"X-A": "a" * 901}}, "/headers/X-A"),
        ({"headers": {f"X-{number}": "a" for number in range(51)}}, "/headers"),
        ({"headers": {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}}, "/headers/List-Unsubscribe"),
        ({"attachments": file(data="?")}, "/attachments/0/data"),
        ({"attachments": file(filename="a\nb")}, "/attachments/0/filename"),
        ({"attachments": file(content_type="text")}, "/attachments/0/content_type"),
        ({"attachments": file(content_type="text/plain\r\nX: y")}, "/attachments/0/content_type"),
        ({"attachments": file(content_type="message/rfc822")}, "/attachments/0/content_type"),
        ({"attachments": file() + file(name="b")}, "/attachments/1/name"),
        ({"attachments": file() * 51}, "/attachments"),
    ],
)
def test_a_wrong_mail_is_told_where_it_is_wrong(changes: Request, at: str) -> None:
    """Nothing that would forge a header, lose its text or confuse a reader is taken as a mail."""
    with pytest.raises(Invalid) as raised:
        submission(mail_with(changes))
    assert raised.value.at == f"/content{at}"


def test_one_click_unsubscribe_needs_both_headers_right() -> None:
    """RFC 8058 asks for one https URI beside the exact Post header; anything else would silently lose the button."""
    post = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    right = {"List-Unsubscribe": "<https://x.example/u/1>, <mailto:u@x.example>", **post}
    assert submission(mail_with({"headers": right})).content
    for wrong in (
        right | {"List-Unsubscribe": "<mailto:u@x.example>"},
        right | {"List-Unsubscribe": "<http://x.example/u/1>"},
        right | {"List-Unsubscribe": "<https://x.example/1>, <https://x.example/2>"},
        right | {"List-Unsubscribe-Post": "One-Click"},
        right | {"List-Unsubscribe": "<https://bücher.example/u>"},
    ):
        with pytest.raises(Invalid):
            submission(mail_with({"headers": wrong}))


def test_a_mail_keeps_all_its_parts() -> None:
    """What a mail may have is what the vault gets, byte for byte where it is a file."""
    data = bytes(range(256))
    content = {
        "subject": "Größe", "html": "<p>Hi</p>", "from": "Ann <ann@example.com>", "reply_to": "b@example.com",
        "headers": {"X-Campaign": "spring"},
        "attachments": file(data=base64.b64encode(data).decode(), content_type="text/calendar; method=REQUEST"),
    }  # fmt: skip
    kept = msgspec.json.decode(submission(MAIL | {"content": content}).content)
    assert kept == content


@pytest.mark.parametrize(
    ("content", "at"),
    [
        ({}, ""),
        ({"text": ""}, "text"),
        ({"text": " "}, "text"),
        ({"text": "a" * 4_097}, "text"),
        ({"text": "a", "template": {"name": "n", "language": "en"}}, ""),
        ({"template": {"name": "n"}}, "template/language"),
        ({"template": {"name": "n", "language": "en", "components": {}}}, "template/components"),
        ({"media": {"url": "https://x.example/a.png"}}, "media/kind"),
        ({"media": {"url": "file:///etc/passwd", "kind": "image"}}, "media/url"),
        ({"media": {"url": "https://x.example/a", "kind": "gif"}}, "media/kind"),
    ],
)
def test_a_wrong_chat_message_is_told_where_it_is_wrong(content: Request, at: str) -> None:
    """WhatsApp takes exactly one of text, template and medium, within its own bounds."""
    with pytest.raises(Invalid) as raised:
        submission(CHAT | {"content": content})
    assert raised.value.at == f"/content/{at}".rstrip("/")


@pytest.mark.parametrize(
    "content",
    [
        {"template": {"name": "hello", "language": "en_US", "components": [{"type": "body"}]}},
        {"media": {"url": "https://x.example/a.png", "kind": "image", "caption": "c"}},
    ],
)
def test_templates_and_media_are_kept(content: Request) -> None:
    """The other two forms of a chat message arrive whole."""
    assert msgspec.json.decode(submission(CHAT | {"content": content}).content) == content


@pytest.mark.parametrize(
    "content",
    [
        {"title": " ", "body": ""},
        {"title": "a"},
        {"title": "a", "body": "b", "data": {"n": 1}},
        {"title": "a", "body": "b" * 4_096},
        {"title": "a", "body": "b", "collapse_key": "k" * 65},
    ],
)
def test_a_wrong_push_is_refused(content: Request) -> None:
    """A push says something, carries texts, and stays within what the gateways take."""
    with pytest.raises(Invalid) as raised:
        submission(PUSH | {"content": content})
    assert raised.value.at.startswith("/content")


@pytest.mark.parametrize(
    ("content", "at"),
    [
        ({}, ""),
        ({"type": "a"}, "/data"),
        ({"data": None}, "/type"),
        ({"body": "x"}, "/content_type"),
        ({"content_type": "text/plain"}, "/body"),
        ({"type": "a", "data": 1, "body": "x", "content_type": "text/plain"}, ""),
        ({"type": "a\nb", "data": 1}, "/type"),
        ({"body": "x", "content_type": "text/plain\r\nX: y"}, "/content_type"),
    ],
)
def test_a_wrong_webhook_is_told_where_it_is_wrong(content: Request, at: str) -> None:
    """A webhook is either an event or a body, whole in both cases; null is data like any other."""
    assert submission(EVENT | {"content": {"type": "a", "data": None}}).content == b'{"type":"a","data":null}'
    with pytest.raises(Invalid) as raised:
        submission(EVENT | {"content": content})
    assert raised.value.at == f"/content{at}"
