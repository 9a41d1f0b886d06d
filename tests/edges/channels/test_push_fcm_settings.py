"""Answers for settings of FCM: what is wrong with them is said in words, and nothing of them is ever shown."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from adapters.channels.fcm_settings import FcmSettings, mistakes, service_account_of
from tests.edges.channels.fcm_server import EMAIL, account_text, pem_of, private_key

_PLAIN = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _elliptic() -> str:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*_PLAIN).decode()


def _short() -> str:
    key = generate_private_key(public_exponent=65_537, key_size=1_024)  # noqa: S505  # Too short: that is the point.
    return key.private_bytes(*_PLAIN).decode()


def _locked() -> str:
    return private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


# Made when they are needed, since a key takes a while.
BAD_KEYS: dict[str, Callable[[], str]] = {
    "line ends": lambda: pem_of(private_key()).replace("\n", "\\n"),
    "whole private key": lambda: pem_of(private_key())[:400],
    "PEM": lambda: "nonsense",
    "without a password": _locked,
    "RSA": _elliptic,
    "2048 bits": _short,
}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "JSON"),
        ("/run/secrets/account.json", "name of a file"),
        ("{", "JSON"),
        ('"\udcff"', "JSON"),
        ("[]", "object"),
        ('{"a":' + "[" * 9_000, "JSON"),
        ("{}", "client_email"),
        ({"type": "authorized_user"}, "type is service_account"),
        ({"client_email": ""}, "client_email"),
        ({"private_key_id": "a\nb"}, "private_key_id"),
        ({"project_id": "No Such"}, "project_id"),
        ({"token_uri": "http://token.example/token"}, "https"),
        ({"token_uri": "token"}, "token_uri"),
    ],
)
def test_a_bad_service_account_is_told_in_words(text: str | dict[str, str], word: str) -> None:
    """What was expected is said, and nothing of what was seen."""
    if isinstance(text, dict):
        text = account_text(**text)
    ((setting, expected),) = mistakes(FcmSettings(service_account=text))
    assert setting == "service_account"
    assert word in expected


@pytest.mark.parametrize("word", BAD_KEYS)
def test_a_bad_key_is_told_in_words(word: str) -> None:
    """What was expected is said, and nothing of the key."""
    pem = BAD_KEYS[word]()
    ((setting, expected),) = mistakes(FcmSettings(service_account=account_text(private_key=pem)))
    assert setting == "service_account"
    assert word in expected
    assert not any(line in expected for line in pem.splitlines())


def test_the_other_settings_are_told_too() -> None:
    """A URL and a project that cannot stand are named, a good account is not."""
    found = mistakes(FcmSettings(service_account=account_text(), url="http://fcm.example", project_id="A"))
    assert [setting for setting, _ in found] == ["url", "project_id"]
    assert mistakes(FcmSettings(service_account=account_text(), project_id="domain.example:my-project")) == []


def test_no_secret_is_ever_shown() -> None:
    """Neither settings nor account show anything, wherever they end up in a message."""
    settings = FcmSettings(service_account=account_text())
    account = service_account_of(settings.service_account)
    for shown in (repr(settings), str(account), f"{account!r}", repr([settings, account])):
        assert "PRIVATE" not in shown
        assert EMAIL not in shown
