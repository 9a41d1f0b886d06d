"""Answers for what no scheme lets pass, the same asked of each."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from adapters.hooks.accounts import SCHEMES, mistakes
from adapters.hooks.building import verifier_of
from adapters.hooks.requests import BadSignature, RawHook
from adapters.hooks.verifying import Verifier
from tests.edges.hooks.posts import AT_S, NOW_US, SECOND_US, assert_accepted, assert_refused, bent, told, without
from tests.edges.hooks.samples import SAMPLES, Sample

pytestmark = pytest.mark.slow

of_each = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
of_each_timed = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.timed], ids=lambda sample: sample.name
)
of_each_that_signs_headers = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.signed], ids=lambda sample: sample.name
)
of_each_that_signs_bodies = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.bodily], ids=lambda sample: sample.name
)


def _verifier(sample: Sample) -> Verifier:
    return verifier_of(sample.settings)


def test_every_scheme_has_a_sample() -> None:
    """What follows is asked of all schemes that there are."""
    assert {type(sample.settings) for sample in SAMPLES} == set(SCHEMES.values())


@of_each
def test_a_genuine_hook_is_accepted_as_often_as_it_comes(sample: Sample) -> None:
    """What a provider signed is accepted, and again when it is repeated."""
    verifier = _verifier(sample)
    for _ in range(2):
        assert_accepted(verifier, sample.hook)
    otherwise = tuple((name.swapcase(), value) for name, value in sample.hook.headers)
    assert_accepted(verifier, replace(sample.hook, headers=otherwise))


@of_each
def test_a_missing_or_empty_header_is_refused(sample: Sample) -> None:
    """Nothing is skipped because it is not there."""
    for name in sample.headers:
        assert_refused(_verifier(sample), without(sample.hook, name), "missing")
        assert_refused(_verifier(sample), bent(sample.hook, name, ""), "missing")
    assert_refused(_verifier(sample), replace(sample.hook, headers=()), "missing")


@of_each
def test_a_header_that_stands_twice_is_refused(sample: Sample) -> None:
    """Whichever of two values is good, and even where both are."""
    for name in sample.headers:
        good = (name, told(sample.hook, name))
        for other in ((name, "bad"), (name.upper(), "bad"), (name, ""), good):
            rest = without(sample.hook, name).headers
            assert_refused(_verifier(sample), replace(sample.hook, headers=(*rest, other, good)), "repeated")
            assert_refused(_verifier(sample), replace(sample.hook, headers=(*rest, good, other)), "repeated")


@of_each_that_signs_bodies
def test_a_changed_byte_anywhere_in_the_body_is_refused(sample: Sample) -> None:
    """Each byte of the body is signed, and so are its beginning and its end."""
    body = sample.hook.body
    changed = [body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] for at in range(len(body))]
    for other in (*changed, body[1:], body[:-1], b" " + body, body + b" ", body + b"\n", b""):
        assert_refused(_verifier(sample), replace(sample.hook, body=other))


@of_each
def test_a_changed_or_shortened_signature_is_refused(sample: Sample) -> None:
    """Neither a part of what was sent nor one with another character is enough."""
    name = sample.headers[0]
    good = told(sample.hook, name)
    for at in range(len(good)):
        assert_refused(_verifier(sample), bent(sample.hook, name, good[:at]))
        assert_refused(_verifier(sample), bent(sample.hook, name, good[:at] + "~" + good[at + 1 :]))


@pytest.mark.parametrize("extra", ["", "=", "====", " ", ",", "\x00", "é", "\udcff", chr(0xD800)])
@of_each
def test_a_signature_of_no_sense_is_refused(sample: Sample, extra: str) -> None:
    """What is no signature at all is a refusal like any other, whatever characters it is made of."""
    for before in ("", "x", "sha256=", "sha512=", f"t={AT_S},v1=", "v1,", "v1a,", "Basic ", "Bearer "):
        assert_refused(_verifier(sample), bent(sample.hook, sample.headers[0], before + extra))


@of_each
def test_another_secret_vouches_for_nothing(sample: Sample) -> None:
    """A hook that was signed for another source is refused here."""
    foreign = verifier_of(replace(sample.settings, secrets=(sample.foreign,)))
    assert_refused(foreign, sample.hook, "mismatch")


@of_each
def test_while_secrets_rotate_each_of_them_counts(sample: Sample) -> None:
    """The old and the new secret are accepted side by side, in either order."""
    good, foreign = sample.settings.secrets[0], sample.foreign
    for secrets in ((good, foreign), (foreign, good)):
        assert_accepted(verifier_of(replace(sample.settings, secrets=secrets)), sample.hook)


@of_each
def test_an_empty_secret_is_a_mistake_at_the_start(sample: Sample) -> None:
    """No source can be set up to accept what anybody could sign."""
    for secrets in ((), ("",), (sample.settings.secrets[0], "")):
        settings = replace(sample.settings, secrets=secrets)
        assert [at for at, _ in mistakes(settings)] == [f"secrets[{len(secrets) - 1}]" if secrets else "secrets"]
        with pytest.raises(ValueError, match=r"^secrets.*: expected "):
            verifier_of(settings)


@of_each_that_signs_headers
def test_each_signed_header_is_bound(sample: Sample) -> None:
    """An id or a second that was changed on the way is refused."""
    verifier = _verifier(sample)
    for name in sample.signed:
        value = told(sample.hook, name)
        for other in (f"{value[:-1]}9", f"0{value}"):
            assert_refused(verifier, bent(sample.hook, name, other), "mismatch")


@of_each_timed
def test_a_hook_of_another_time_is_refused_on_either_side(sample: Sample) -> None:
    """Three hundred seconds are let pass, one more is not: neither of the past nor of the future."""
    verifier = _verifier(sample)
    for away_s in (-300, 300):
        assert_accepted(verifier, sample.hook, now_us=(AT_S + away_s) * SECOND_US)
    for away_s in (-301, 301, -86_400, 86_400, -AT_S):
        assert_refused(verifier, sample.hook, "stale", now_us=(AT_S + away_s) * SECOND_US)


@of_each_timed
def test_only_digits_name_a_second(sample: Sample) -> None:
    """Texts that one parser takes for a number and another does not are refused before anything else."""
    for text in _odd_seconds():
        assert_refused(_verifier(sample), _at(sample, text), "malformed", "missing")


def test_a_refusal_shows_neither_hook_nor_secret() -> None:
    """What is raised and what is logged by accident say no more than why."""
    sample = SAMPLES[0]
    with pytest.raises(BadSignature) as raised:
        _verifier(sample).verify(replace(sample.hook, body=b"{}"), NOW_US)
    assert (str(raised.value), raised.value.reason) == ("a hook was refused: mismatch", "mismatch")
    assert repr(sample.hook) == "RawHook(hidden)"


def _odd_seconds() -> Iterator[str]:
    yield from ("1_767_225_600", f"+{AT_S}", f"-{AT_S}", f" {AT_S}", f"{AT_S} ", f"{AT_S}.0", f"{AT_S}\n", "1e9", "0x1")
    yield from ("", "now", "1767225600000000", "9" * 4_400, "١٧٦٧٢٢٥٦٠٠", "\udcff")


def _at(sample: Sample, text: str) -> RawHook:
    """The sample with another text where its second stands."""
    if sample.name == "stripe":
        header = told(sample.hook, "Stripe-Signature")
        return bent(sample.hook, "Stripe-Signature", header.replace(f"t={AT_S}", f"t={text}"))
    return bent(sample.hook, next(name for name in sample.signed if "imestamp" in name), text)
