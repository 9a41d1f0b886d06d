"""Answers for settings that cannot stand, and for the verifier that each scheme's settings make."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.hooks.accounts import (
    SCHEMES,
    GitHubHooks,
    GreenApiHooks,
    HmacHooks,
    HookSettings,
    MetaHooks,
    SendGridHooks,
    SharedKey,
    StandardHooks,
    StripeHooks,
    TokenHooks,
    TwilioHooks,
    mistakes,
)
from adapters.hooks.building import verifier_of
from adapters.hooks.github import GitHubVerifier
from adapters.hooks.green_api import GreenApiVerifier
from adapters.hooks.keyed_hash import KeyedHashVerifier
from adapters.hooks.meta import MetaVerifier
from adapters.hooks.sendgrid import SendGridVerifier
from adapters.hooks.shared_token import SharedTokenVerifier
from adapters.hooks.standard import StandardVerifier
from adapters.hooks.stripe import StripeVerifier
from adapters.hooks.twilio import TwilioVerifier
from adapters.hooks.verifying import Verifier
from tests.edges.hooks.posts import assert_refused
from tests.edges.hooks.samples import SAMPLES, Sample
from tests.edges.hooks.vectors import SENDGRID_KEY, STANDARD_PRIVATE, STANDARD_PUBLIC

URL = "https://tidings.example"
HIDDEN = "whsec_hidden?"
P384 = (
    ec.derive_private_key(7, ec.SECP384R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
RSA = rsa.RSAPublicNumbers(65_537, (1 << 2_047) + 1).public_key()
RSA_KEY = RSA.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

KINDS: dict[type[HookSettings], type[Verifier]] = {
    StripeHooks: StripeVerifier,
    MetaHooks: MetaVerifier,
    GitHubHooks: GitHubVerifier,
    StandardHooks: StandardVerifier,
    TwilioHooks: TwilioVerifier,
    GreenApiHooks: GreenApiVerifier,
    SendGridHooks: SendGridVerifier,
    HmacHooks: KeyedHashVerifier,
    TokenHooks: SharedTokenVerifier,
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_settings_make_their_verifier(sample: Sample) -> None:
    """Each scheme has its verifier, under the name that the configuration knows."""
    assert type(verifier_of(sample.settings)) is KINDS[type(sample.settings)]
    assert mistakes(sample.settings) == []
    assert type(sample.settings) in SCHEMES.values()


@pytest.mark.parametrize(
    ("settings", "at"),
    [
        (StripeHooks(secrets=()), ["secrets"]),
        (StripeHooks(secrets=("ok", "", "ok", "\udcff")), ["secrets[1]", "secrets[3]"]),
        (MetaHooks(secrets=("ok",), verify_token=""), ["verify_token"]),
        (GitHubHooks(secrets=("",)), ["secrets[0]"]),
        (
            StandardHooks(secrets=("raw is fine", "whsec_", HIDDEN, "\udcff")),
            ["secrets[1]", "secrets[2]", "secrets[3]"],
        ),
        (
            StandardHooks(secrets=("whpk_", "whpk_AAAA", STANDARD_PUBLIC + "A", "whpk_é")),
            [f"secrets[{n}]" for n in range(4)],
        ),
        (
            StandardHooks(secrets=("whsk_", "whsk_AAAA", STANDARD_PRIVATE[:-4] + "AA==")),
            [f"secrets[{n}]" for n in range(3)],
        ),
        (SendGridHooks(secrets=(SENDGRID_KEY[:-4], "AAAA", "", "é")), [f"secrets[{n}]" for n in range(4)]),
        (
            SendGridHooks(secrets=tuple(b64encode(key).decode() for key in (P384, RSA_KEY))),
            ["secrets[0]", "secrets[1]"],
        ),
        (GreenApiHooks(secrets=("Bearer ", "Basic ")), ["secrets[0]", "secrets[1]"]),
        (TwilioHooks(secrets=(), public_url=URL), ["secrets"]),
        (TwilioHooks(secrets=("",), public_url=URL, shared_keys=(SharedKey(id="k", secret="s"),)), ["secrets[0]"]),
        (TwilioHooks(secrets=(), public_url=URL, shared_keys=(SharedKey(id="k", secret=""),)), ["shared_keys[0]"]),
        (TwilioHooks(secrets=("t",), public_url=URL, shared_keys=(SharedKey(id="", secret="s"),)), ["shared_keys[0]"]),
        (
            TwilioHooks(secrets=("t",), public_url=URL, shared_keys=(SharedKey(id="k", secret="s"),) * 2),
            ["shared_keys[1]"],
        ),
        (HmacHooks(secrets=("",), header="", id_header="a b"), ["secrets[0]", "header", "id_header"]),
        (HmacHooks(secrets=("s",), header="X:Y", id_pointer="id"), ["header", "id_pointer"]),
        (HmacHooks(secrets=("s",), header="X", id_header="Y", id_pointer="/id"), ["id_pointer"]),
        (TokenHooks(secrets=("s",), header="X", user="u"), ["user"]),
        (TokenHooks(secrets=("s",), user="a:b", id_pointer="/~2"), ["user", "id_pointer"]),
    ],
)
def test_every_mistake_is_named_and_none_is_shown(settings: HookSettings, at: list[str]) -> None:
    """All that cannot stand is told at once with what was expected, and never with a secret."""
    assert [place for place, _ in mistakes(settings)] == at
    with pytest.raises(ValueError, match=r": expected (?!expected)") as raised:
        verifier_of(settings)
    assert HIDDEN not in str(raised.value)


@pytest.mark.parametrize(
    "public_url",
    [
        *("", "tidings.example", "ftp://tidings.example", "https://", "https://u:p@tidings.example", "https://a b"),
        *("https://tidings.example?x", "https://tidings.example/#f", "https://tidings.example:", "//tidings.example"),
    ],
)
def test_an_address_that_twilio_could_not_call_is_a_mistake(public_url: str) -> None:
    """What is signed begins with the public address, so one that is none would refuse every hook."""
    assert [place for place, _ in mistakes(TwilioHooks(secrets=("t",), public_url=public_url))] == ["public_url"]


@pytest.mark.parametrize("public_url", [URL, f"{URL}/", f"{URL}/behind/proxy", f"{URL}:8443", "http://[::1]:80"])
def test_an_address_may_have_port_and_path(public_url: str) -> None:
    """Whatever a proxy serves is an address."""
    assert mistakes(TwilioHooks(secrets=("t",), public_url=public_url)) == []


def test_settings_never_show_themselves() -> None:
    """Whoever logs settings by accident logs no secret."""
    key = SharedKey(id="k", secret="opensesame")
    assert repr(TwilioHooks(secrets=("opensesame",), public_url=URL, shared_keys=(key,))) == "TwilioHooks(hidden)"
    assert repr(key) == "SharedKey(hidden)"


@pytest.mark.parametrize(
    "verifier",
    [
        StripeVerifier(StripeHooks(secrets=())),
        MetaVerifier(MetaHooks(secrets=())),
        GitHubVerifier(GitHubHooks(secrets=())),
        StandardVerifier(StandardHooks(secrets=())),
        TwilioVerifier(TwilioHooks(secrets=(), public_url=URL)),
        GreenApiVerifier(GreenApiHooks(secrets=())),
        SendGridVerifier(SendGridHooks(secrets=())),
        KeyedHashVerifier(HmacHooks(secrets=(), header="X")),
        SharedTokenVerifier(TokenHooks(secrets=())),
    ],
    ids=lambda verifier: type(verifier).__name__,
)
def test_without_a_secret_nothing_is_genuine(verifier: Verifier) -> None:
    """Even a verifier that nobody checked the settings of refuses rather than skips."""
    for sample in SAMPLES:
        assert_refused(verifier, sample.hook)


@given(
    secrets=st.lists(st.text(st.characters(), min_size=1), min_size=1, max_size=3),
    prefix=st.sampled_from(["", "whsec_", "whpk_", "whsk_"]),
)
def test_any_secret_is_either_taken_or_a_mistake(secrets: list[str], prefix: str) -> None:
    """Whatever stands in a configuration is judged at the start, by the same rule as when the verifier is made."""
    for sample in SAMPLES:
        settings = replace(sample.settings, secrets=tuple(prefix + secret for secret in secrets))
        if mistakes(settings):
            with pytest.raises(ValueError, match="secrets"):
                verifier_of(settings)
        else:
            assert_refused(verifier_of(settings), sample.hook)
