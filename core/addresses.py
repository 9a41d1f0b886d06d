"""Addresses of people and endpoints: what is well-formed, and the one spelling under which a peer is known.

This file answers for syntax and normal form of email addresses, mailboxes, phone numbers, webhook URLs and push users.
It must never resolve a name or judge whether an address is reachable or allowed: that is known only when connecting.
Every function answers with the normal form, or raises Unfit with what was expected.
"""

import re
import unicodedata
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

# RFC 5321 section 4.5.3.1: 64 octets before the @, 255 after it, 254 together (a path of 256 has two angle brackets).
LOCAL_BYTES_MAX: Final = 64
EMAIL_BYTES_MAX: Final = 254
DOMAIN_BYTES_MAX: Final = 253
URL_CHARS_MAX: Final = 2_048
PORT_MAX: Final = 65_535
PUSH_USER_CHARS_MAX: Final = 255

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
# RFC 6531 lets any character beyond ASCII stand in a local part; what does not print has no business there. Said by
# what may not stand there (controls, the blank, the specials of RFC 5322): a set up to the last character of Unicode
# takes nine milliseconds to compile, in each process.
_ATEXT_WIDE: Final = r'[^\x00-\x20"(),.:;<>@\[\\\]\x7f-\xa0]'
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL: Final = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_LOCAL_WIDE: Final = re.compile(rf"{_ATEXT_WIDE}+(?:\.{_ATEXT_WIDE}+)*")
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# Names inside a cluster may carry underscores, which no mail domain has.
_HOST_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?")
_MAILBOX: Final = re.compile(r'\s*(?:"([^"\\]*)"|([^"<>@,;:\\]*?))\s*<([^<>]*)>\s*')
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_BUSINESS_SCOPED: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}", re.ASCII)
# IDNA 2003, which the standard library speaks, maps these four to something that IDNA 2008 keeps apart: another domain.
_DEVIANT: Final = re.compile("[\u00df\u03c2\u200c\u200d]")
_WITHOUT_SEPARATORS: Final = str.maketrans("", "", " -.()/\u00a0")
# The parts of RFC 3986 that an endpoint needs, and no other: no user, no password, no fragment.
_URL: Final = re.compile(
    r"(https?)://(\[[^\[\]/?#@]*\]|[^\[\]/?#@:]+)(?::([0-9]{1,5}))?(/[^?#]*)?(\?[^#]*)?", re.IGNORECASE
)
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
# The same endpoints are called over and over, and to read a URL anew took 6 % of the time of accepting a batch.
_ENDPOINTS_KEPT: Final = 1_024
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Unfit(ValueError):
    """An address is not well-formed; the text says what was expected, and never repeats the address."""


def email(text: str) -> str:
    """An email address with its domain in ASCII (IDNA) and lower case: `A@Bücher.example` -> `A@xn--bcher-kva.example`.

    The local part is kept as it is, since only its own domain may fold it (RFC 5321 section 2.4). Quoted local parts
    and address literals are refused: nobody who writes to people needs them, and they hide what a relay will do.
    """
    local, at, domain = text.rpartition("@")
    if not at:
        raise Unfit("expected an email address such as ann@example.com")
    if not (_LOCAL.fullmatch(local) if local.isascii() else _fits_wide(local)):
        raise Unfit("expected a plain local part before the @, without spaces, quotes or two dots in a row")
    if not local.isascii():
        local = unicodedata.normalize("NFC", local)
    domain = _domain(domain)
    if len(local.encode()) > LOCAL_BYTES_MAX:
        raise Unfit(f"expected at most {LOCAL_BYTES_MAX} bytes before the @")
    if len(local.encode()) + 1 + len(domain) > EMAIL_BYTES_MAX:
        raise Unfit(f"expected at most {EMAIL_BYTES_MAX} bytes in all")
    return f"{local}@{domain}"


def mailbox(text: str) -> tuple[str, str]:
    """The display name (empty without one) and the address of `Ann Example <ann@example.com>` or `ann@example.com`."""
    if not text.isprintable():
        raise Unfit("expected no line break or other control character")
    found = _MAILBOX.fullmatch(text)
    if found is None:
        return "", email(text.strip())
    quoted, plain, address = found.groups()
    return (quoted if quoted is not None else plain).strip(), email(address)


def phone(text: str) -> str:
    """A phone number as `+` and 7 to 15 digits (E.164); spaces, dots, dashes, slashes and brackets are taken out.

    A number without its country code is refused: to guess one would write to a stranger.
    """
    digits = text.translate(_WITHOUT_SEPARATORS)
    if not _PHONE.fullmatch(digits):
        raise Unfit("expected a phone number in E.164 form with its country code, such as +15551234567")
    return digits


def whatsapp(text: str) -> str:
    """A phone number in E.164 form, or a business-scoped user id such as `US.13491208655302741918`.

    Meta gives the latter to businesses where a person shows no phone number (two letters of a country, a dot, and up
    to 128 letters and digits; a parent's has `ENT.` in between).
    """
    return text if _BUSINESS_SCOPED.fullmatch(text) else phone(text)


def push_user(text: str) -> str:
    """The name under which an application knows the owner of the devices, as it stands."""
    if not text or len(text) > PUSH_USER_CHARS_MAX or not text.isprintable() or text != text.strip():
        raise Unfit(f"expected a user of 1 to {PUSH_USER_CHARS_MAX} printable characters without space around it")
    return text


@lru_cache(maxsize=_ENDPOINTS_KEPT)
def endpoint(text: str) -> tuple[str, str]:
    """A webhook's URL in normal form, and its host in lower case (an IPv6 host without its brackets).

    Scheme and host are lower case, a default port and an empty path are written the one usual way; path and query stay
    as they are, since only the endpoint knows what they mean.
    """
    if len(text) > URL_CHARS_MAX:
        raise Unfit(f"expected a URL of at most {URL_CHARS_MAX} characters")
    if not text.isprintable() or " " in text or "\\" in text:
        raise Unfit("expected a URL without spaces, backslashes and control characters")
    found = _URL.fullmatch(text)
    if found is None:
        raise Unfit("expected a URL such as https://example.com/hook, without user, password and fragment")
    scheme, host, port, path, query = found.groups()
    scheme, host = scheme.lower(), _host(host)
    number = int(port) if port is not None else _DEFAULT_PORTS[scheme]
    if not 1 <= number <= PORT_MAX:
        raise Unfit(f"expected a port from 1 to {PORT_MAX}")
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if number == _DEFAULT_PORTS[scheme] else f":{number}"
    return f"{scheme}://{shown_host}{shown_port}{path or '/'}{query or ''}", host


def _fits_wide(local: str) -> bool:
    return local.isprintable() and _LOCAL_WIDE.fullmatch(local) is not None


def _domain(domain: str) -> str:
    ascii_domain = _ascii(domain)
    if not _DOMAIN.fullmatch(ascii_domain) or len(ascii_domain) > DOMAIN_BYTES_MAX:
        raise Unfit("expected a domain such as example.com after the @")
    if ascii_domain.rpartition(".")[2].isdigit():
        raise Unfit("expected a domain after the @, not a bare number or address")
    return ascii_domain.lower()


def _host(host: str) -> str:
    if host.startswith("["):
        return _ipv6(host[1:-1])
    host = _ascii(host)
    if not _HOST.fullmatch(host) or len(host) > DOMAIN_BYTES_MAX:
        raise Unfit("expected a URL with a host such as example.com")
    # `2130706433`, `127.1` and `0x7f.1` all reach 127.0.0.1 in some resolver; only the dotted form means what it says.
    last = host.rstrip(".").rpartition(".")[2]
    if (last.isdigit() or last[:2] in {"0x", "0X"}) and not _IPV4.fullmatch(host):
        raise Unfit("expected a host name or an IPv4 address as four decimal numbers")
    return host.lower()


def _ipv6(host: str) -> str:
    try:
        address = IPv6Address(host)
    except AddressValueError:
        raise Unfit("expected an IPv6 address in brackets, such as https://[2001:db8::1]/") from None
    if address.scope_id is not None:
        raise Unfit("expected an IPv6 address without a zone")
    return str(address)


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    if _DEVIANT.search(domain):
        raise Unfit("expected this domain in its ASCII form (xn--...), since its letters have two readings")
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise Unfit("expected a domain that can be written in ASCII (IDNA)") from None
