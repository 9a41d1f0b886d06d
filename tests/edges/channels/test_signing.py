"""Answers for signatures that anybody's library verifies."""

import hmac
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from adapters.channels.signing import Hash, Signer, SigningKey, key_of

AT_S = 1_767_225_600  # 2026-01-01T00:00:00Z
ONE = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
TWO = "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
BODY = b'{"type":"message.delivered","timestamp":"2026-01-01T00:00:00Z","data":{"id":"ntf_1"}}'

# Made with the standard's own libraries in Python and JavaScript; each was checked by a second one.
VECTORS: list[tuple[str, str, int, bytes, str]] = [
    (ONE, "msg_tidings_0001", AT_S, BODY, "v1,F1/yM9NlipPgyEwiklTYHigaIRpcgefHooUeILz3sHU="),
    (TWO, "msg_tidings_0001", AT_S, BODY, "v1,WiVtixjBeI4CUWh1qsw4VYIXVH6B9YaM6covQcfa0cU="),
    (
        *(ONE, "msg_tidings_0002", AT_S, '{"text":"Привет ☕ \\"q\\""}'.encode()),
        "v1,NUn/wWcwo58KKJv2ZgMtPhvZpro8o7Gs/HN4KDOsTFY=",
    ),
    (ONE, "msg_tidings_0003", AT_S, b"", "v1,nflqUQz6FKQyvuQxBdfQxZQQW+joT/vXCppGSY2ADpQ="),
    (
        *("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330),
        *(b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ),
]


@pytest.mark.parametrize("vector", VECTORS)
def test_signatures_are_those_of_the_standard(vector: tuple[str, str, int, bytes, str]) -> None:
    """Known secrets, ids, seconds and bodies come to the known signatures."""
    secret, message, at_s, body, expected = vector
    assert Signer([secret]).signatures(message, at_s, body) == expected


@given(st.sampled_from(["sha1", "sha256", "sha512"]), st.binary(max_size=260), st.lists(st.binary(max_size=5_000)))
def test_a_key_signs_as_pythons_own_library_does(algorithm: Hash, key: bytes, texts: list[bytes]) -> None:
    """Under keys shorter and longer than a hash's block, as often as it is asked, and whatever it signed before."""
    signing = SigningKey(key, algorithm)
    assert [signing.sign(text) for text in texts] == [hmac.digest(key, text, algorithm) for text in texts]


def test_while_secrets_rotate_both_sign_and_the_new_one_first() -> None:
    """The header has one entry a secret in their order, and either secret alone verifies it."""
    header = Signer([TWO, ONE]).signatures("msg_tidings_0001", AT_S, BODY)
    assert header == f"{VECTORS[1][4]} {VECTORS[0][4]}"
    headers = {"webhook-id": "msg_tidings_0001", "webhook-timestamp": str(AT_S), "webhook-signature": header}
    with freeze_time(datetime.fromtimestamp(AT_S + 1, UTC)):
        for secret in (ONE, TWO):
            assert Webhook(secret).verify(BODY, headers)["type"] == "message.delivered"
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").verify(BODY, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(ONE).verify(BODY + b" ", headers)


def test_a_secret_without_prefix_is_its_own_key() -> None:
    """A plain text signs with its UTF-8 bytes, as the standard's raw secrets do."""
    assert key_of("geheim-ü") == "geheim-ü".encode()
    assert key_of("whsec_Z2VoZWlt") == b"geheim"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64", "whsec_QUJD!"])
def test_a_secret_that_cannot_sign_is_refused_without_being_shown(secret: str) -> None:
    """The mistake is told, the secret is not."""
    with pytest.raises(ValueError, match="expected") as raised:
        key_of(secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(raised.value)
