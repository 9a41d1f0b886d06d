"""Answers for what counts as an address, and for one spelling of each peer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import addresses


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.B+tag@EXAMPLE.com", "Ann.B+tag@example.com"),
        ("a@localhost", "a@localhost"),
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("x@ex\u3002ample", "x@ex.ample"),
        ("zoe\u0308@example.com", "zoë@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_email_address_has_one_normal_form(given_text: str, expected: str) -> None:
    """The domain is folded and written in ASCII, the local part is only composed (NFC)."""
    assert addresses.email(given_text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "ann@", "@example.com", "a b@example.com", "a..b@example.com", ".a@example.com", "a.@example.com"),
        *("a@b@example.com", "a@-example.com", "a@exa_mple.com", "a@example..com", "a@example.com.", "a@1.2.3.4"),
        *("a@[127.0.0.1]", '"a b"@example.com', "a@example.com\n", "a\r\n@example.com", "a\u00ad@example.com"),
        *("a@straße.example", "a" * 65 + "@example.com", "ü" * 33 + "@example.com", "a@" + "b." * 130 + "com"),
        *("<ann@example.com>", "Ann <ann@example.com>", "a@\u3002.example"),
    ],
)
def test_what_is_no_email_address_is_refused(text: str) -> None:
    """A text that a relay could read in another way, or not at all, is no address."""
    with pytest.raises(addresses.Unfit):
        addresses.email(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.com", ("", "ann@example.com")),
        ("Ann <ann@Example.com>", ("Ann", "ann@example.com")),
        ('"Example, Ann" <ann@example.com>', ("Example, Ann", "ann@example.com")),
        ("Zoë B. <zoe@example.com>", ("Zoë B.", "zoe@example.com")),
        ("<ann@example.com>", ("", "ann@example.com")),
    ],
)
def test_a_mailbox_is_a_name_and_an_address(text: str, expected: tuple[str, str]) -> None:
    """From and Reply-To take a display name, quoted where it has to be."""
    assert addresses.mailbox(text) == expected


@pytest.mark.parametrize("text", ["Ann, B <a@example.com>", "A <a@example.com> <b@example.com>", "A\r\nBcc: <b@x.y>"])
def test_a_mailbox_is_one_mailbox(text: str) -> None:
    """Two addresses, an unquoted comma or a line break are refused: they would add recipients or headers."""
    with pytest.raises(addresses.Unfit):
        addresses.mailbox(text)


def test_a_phone_number_is_digits_behind_a_plus() -> None:
    """Separators that people write are taken out."""
    assert addresses.phone("+972 50-123.45 (67)") == "+972501234567"


@pytest.mark.parametrize("text", ["0501234567", "15551234567", "+1", "+0123456789", "+1234567890123456", "+١٢٣٤٥٦٧٨٩"])
def test_a_phone_number_without_its_country_is_refused(text: str) -> None:
    """Guessing a country code would write to a stranger."""
    with pytest.raises(addresses.Unfit):
        addresses.phone(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://Example.COM", ("https://example.com/", "example.com")),
        ("HTTP://example.com:80/a?b=C", ("http://example.com/a?b=C", "example.com")),
        ("https://example.com:0443/", ("https://example.com/", "example.com")),
        ("https://example.com:8443?x", ("https://example.com:8443/?x", "example.com")),
        ("https://bücher.example/ü", ("https://xn--bcher-kva.example/ü", "xn--bcher-kva.example")),
        ("http://127.0.0.1:8/x", ("http://127.0.0.1:8/x", "127.0.0.1")),
        ("http://[::FFFF:127.0.0.1]/", ("http://[::ffff:7f00:1]/", "::ffff:7f00:1")),
        ("http://my_service:8080/", ("http://my_service:8080/", "my_service")),
    ],
)
def test_an_endpoint_has_one_normal_form(text: str, expected: tuple[str, str]) -> None:
    """Scheme, host, port and an empty path are written one way; path and query stay as they are."""
    assert addresses.endpoint(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.com", "//example.com/", "ftp://example.com/", "https:///a", "https://", "https:example.com"),
        *("https://u@example.com/", "https://u:p@example.com/", "https://example.com/#f", "https://example.com/#"),
        *("https://example.com:0/", "https://example.com:65536/", "https://example.com:x/", "https://example.com:/"),
        *("http://2130706433/", "http://127.1/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://256.1.1.1/"),
        *("http://[::1%25eth0]/", "http://[1.2.3.4]/", "http://[::1/", "http://::1/", "https://exa mple.com/"),
        *("https://example.com\\@evil.example/", "https://example.com/\n", "https://example.com/\t", "https://-a/"),
        *("https://exa%6dple.com/", "https://straße.example/", "https://example.com/" + "a" * 2_048),
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    """A URL that two programs would read in two ways is none."""
    with pytest.raises(addresses.Unfit):
        addresses.endpoint(text)


@pytest.mark.parametrize("text", ["", " ann", "ann\n", "a" * 256])
def test_a_push_user_is_printable_and_bounded(text: str) -> None:
    """Nothing that could not be shown or found again is taken as a user."""
    assert addresses.push_user("user:42/ann") == "user:42/ann"
    with pytest.raises(addresses.Unfit):
        addresses.push_user(text)


@given(st.text(max_size=60))
def test_every_normal_form_is_its_own_normal_form(text: str) -> None:
    """What was accepted once is accepted again, unchanged: a peer never becomes two."""
    for form in (addresses.email, addresses.phone, addresses.push_user, lambda url: addresses.endpoint(url)[0]):
        try:
            normal = form(text)
        except addresses.Unfit:
            continue
        assert form(normal) == normal


@given(st.from_regex(r"https?://[a-zA-Z0-9.:@\[\]\\/_%#?-]{1,40}", fullmatch=True))
def test_a_normal_endpoint_names_its_host_once(text: str) -> None:
    """Whatever tricks a URL tries, its normal form has the host that we say, and no user before it."""
    try:
        url, host = addresses.endpoint(text)
    except addresses.Unfit:
        return
    authority = url.split("/", 3)[2]
    assert "@" not in authority
    assert authority.removeprefix("[").startswith(host)
    assert addresses.endpoint(url) == (url, host)
