"""Answers for what anybody on the internet may send: whatever it is, it is refused, and nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hooks.building import verifier_of
from adapters.hooks.requests import RawHook
from tests.edges.hooks.posts import AT_S, NOW_US, assert_refused
from tests.edges.hooks.samples import SAMPLES, Sample
from tests.edges.hooks.vectors import BY_KEY, OLD_V1, TWILIO_JSON_PATH

pytestmark = pytest.mark.slow

# Lone surrogates are among them: so bytes that are no UTF-8 reach a verifier.
texts = st.text(st.characters(), max_size=40)
# Texts that get past the first questions.
starts = st.sampled_from(
    [
        *(
            "sha256=",
            "v=",
            "v1,",
            "v1a,",
            f"{BY_KEY} ",
            "v1a,AAAA v1,",
            "Basic ",
            "Bearer ",
            "Basic YTpi",
            "AAAA",
            "1767225600",
        ),
        # Of another second than was signed: else the sample's own body beside it would be genuine.
        *(f"t={AT_S},v1=", f"{OLD_V1},t={AT_S + 1}"),
        *("key=k,algorithm=HMAC_SHA256", "application/x-www-form-urlencoded"),
    ]
)
values = st.builds(lambda start, rest: start + rest, starts, texts) | texts | starts
paths = st.sampled_from(["", "/", "/hooks/x?", TWILIO_JSON_PATH, "/hooks/x?bodySHA256=", "/?a=%FF&a=%ED%A0%80&"])
ALSO = ("Content-Type", "Host", "X-Twilio-Webhooks-Signature-Settings", "svix-id", "svix-signature", "webhook-id", "")


@st.composite
def _parts(draw: st.DrawFn, sample: Sample) -> tuple[str, str, list[tuple[str, str]], bytes]:
    """Method, path, headers and body; most often with each header that the scheme asks for."""
    headers = [(name, draw(values)) for name in sample.headers if draw(st.integers(0, 9))]
    headers += draw(st.lists(st.tuples(st.sampled_from((*sample.headers, *ALSO)) | texts, values), max_size=3))
    body = draw(st.binary() | st.sampled_from([sample.hook.body, b"a=%FF&a=%ED%A0%80&\xff", b"{", b"[" * 50_000]))
    return draw(st.sampled_from(["POST", "GET", ""])), draw(paths) + draw(texts), headers, body


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
@given(data=st.data())
def test_any_bytes_are_refused_and_nothing_else(sample: Sample, data: st.DataObject) -> None:
    """Whatever method, path, headers and body are made of, a verifier raises BadSignature and no other error."""
    method, raw_path, headers, body = data.draw(_parts(sample))
    hook = RawHook(method=method, raw_path=raw_path, headers=tuple(headers), body=body)
    assert_refused(verifier_of(sample.settings), hook, now_us=data.draw(st.sampled_from([NOW_US, 0, 2**63])))


@given(raw_path=texts, body=st.binary(), value=values, data=st.data())
def test_genuine_headers_do_not_carry_other_bytes(raw_path: str, body: bytes, value: str, data: st.DataObject) -> None:
    """With every header of a genuine hook, any other body is refused where bodies are signed."""
    sample = data.draw(st.sampled_from([sample for sample in SAMPLES if sample.bodily]))
    if body == sample.hook.body:
        return
    headers = (*sample.hook.headers, ("X-More", value))
    for path in (sample.hook.raw_path, f"/{raw_path}"):
        hook = RawHook(method="POST", raw_path=path, headers=headers, body=body)
        assert_refused(verifier_of(sample.settings), hook)
