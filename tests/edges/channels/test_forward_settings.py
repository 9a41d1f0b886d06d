"""Answers for which settings of a handler can stand."""

import pytest

from adapters.channels.accounts import mistakes
from adapters.channels.forward_settings import ForwardSettings, KeptSettings

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"


@pytest.mark.parametrize(
    "settings",
    [
        ForwardSettings(url="http://127.0.0.1:3000/stripe"),
        ForwardSettings(url="http://localhost/stripe", signing_secrets=(SECRET, "raw")),
        ForwardSettings(url="http://[::1]:3000/"),
        ForwardSettings(url="https://app.example.com/hooks?a=b"),
        ForwardSettings(url="http://app.internal:3000/", allow_http=True, allow_private=("10.0.0.0/8",)),
        KeptSettings(),
    ],
)
def test_sound_settings_have_no_mistake(settings: ForwardSettings | KeptSettings) -> None:
    """https anywhere, and http on this machine or where it is allowed."""
    assert mistakes(settings) == []


@pytest.mark.parametrize(
    ("settings", "at", "expected"),
    [
        (ForwardSettings(url="http://app.example.com/"), "url", "https, or allow_http"),
        (ForwardSettings(url="http://127.0.0.1.example.com/"), "url", "https, or allow_http"),
        (ForwardSettings(url="ftp://127.0.0.1/"), "url", "a URL such as"),
        (ForwardSettings(url="https://user:open-sesame@example.com/"), "url", "a URL such as"),
        (ForwardSettings(url=""), "url", "a URL such as"),
        (
            ForwardSettings(url="https://a.example/", signing_secrets=(SECRET, "whsec_!")),
            "signing_secrets[1]",
            "base64",
        ),
        (ForwardSettings(url="https://a.example/", allow_private=("10.0.0.1/8",)), "allow_private[0]", "a network"),
    ],
)
def test_each_mistake_is_named_without_its_value(settings: ForwardSettings, at: str, expected: str) -> None:
    """What cannot stand is named by its setting, with what was expected, and nothing of it is repeated."""
    ((found_at, words),) = mistakes(settings)
    assert (found_at, words[: len(expected)]) == (at, expected)
    assert "open-sesame" not in words


def test_settings_of_a_handler_show_nothing() -> None:
    """A secret cannot get into a log by way of the struct that holds it."""
    assert SECRET not in repr(ForwardSettings(url="https://a.example/", signing_secrets=(SECRET,)))
