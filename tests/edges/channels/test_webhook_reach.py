"""Answers for what a webhook may reach: checked addresses, https, and certificates of the name that was asked for."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from adapters.channels.accounts import WebhookSettings
from core import addresses
from core.outcomes import Permanent, Taken, Transient
from core.ports import Clock
from tests.edges.channels.endpoints import Endpoint, answers
from tests.edges.channels.parcels import Certificates, HandOver, parcel_of
from tests.edges.channels.webhooks import LOOPBACK, Resolver, channel_of

pytestmark = pytest.mark.anyio

OK = answers(200, b"{}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_refused_where_they_are_connected_to(clock: Clock, host: str) -> None:
    """By number or by name, without leave nothing private is reached, and the message ends with a clear code."""
    careful = WebhookSettings(allow_http=True)
    handed_over = HandOver()
    async with Endpoint(OK) as endpoint, channel_of(clock, careful) as channel:
        outcome = await channel.send(parcel_of(clock, endpoint.url(host=host)), handed_over)
    assert isinstance(outcome, Permanent)
    assert (outcome.code, handed_over.count, endpoint.connections) == ("address_refused", 0, 0)


async def test_a_name_that_turns_private_is_refused(clock: Clock) -> None:
    """A public-looking name whose server answers with a private address (DNS rebinding) is never connected to."""
    careful = WebhookSettings(allow_http=True)
    resolver = Resolver("169.254.169.254", "127.0.0.1", "10.0.0.1")
    async with Endpoint(OK) as endpoint, channel_of(clock, careful, resolver) as channel:
        outcome = await channel.send(parcel_of(clock, endpoint.url(host="hooks.example")), HandOver())
    assert isinstance(outcome, Permanent)
    assert (outcome.code, endpoint.connections) == ("address_refused", 0)


async def test_of_several_addresses_only_allowed_ones_are_tried(clock: Clock) -> None:
    """A name with a forbidden and an allowed address reaches the allowed one."""
    narrow = msgspec.structs.replace(LOOPBACK, allow_private=("127.0.0.1/32",))
    resolver = Resolver("127.0.0.2", "127.0.0.1")
    async with Endpoint(OK) as endpoint, channel_of(clock, narrow, resolver) as channel:
        outcome = await channel.send(parcel_of(clock, endpoint.url(host="hooks.example")), HandOver())
    assert outcome == Taken(code="200")
    assert endpoint.received[0].headers["host"] == f"hooks.example:{endpoint.port}"


async def test_plain_http_needs_leave(clock: Clock) -> None:
    """A lane that does not allow http ends such a message before anything is connected."""
    careful = msgspec.structs.replace(LOOPBACK, allow_http=False)
    async with Endpoint(OK) as endpoint, channel_of(clock, careful) as channel:
        outcome = await channel.send(parcel_of(clock, endpoint.url()), HandOver())
    assert isinstance(outcome, Permanent)
    assert (outcome.code, endpoint.connections) == ("http_refused", 0)


async def test_https_is_checked_against_the_name_that_was_asked_for(clock: Clock, certificates: Certificates) -> None:
    """The connection goes to the checked address, the certificate is that of the name in the URL."""
    trusting = WebhookSettings(allow_private=("127.0.0.0/8",), ca_file=certificates.ca_file)
    resolver = Resolver("127.0.0.1")
    async with Endpoint(OK, tls=certificates.server) as endpoint, channel_of(clock, trusting, resolver) as channel:
        right = await channel.send(parcel_of(clock, endpoint.url(host="hooks.example")), HandOver())
        handed_over = HandOver()
        wrong = await channel.send(parcel_of(clock, endpoint.url(host="other.example")), handed_over)
    assert (right, wrong, handed_over.count) == (Taken(code="200"), Transient(code="certificate"), 0)


async def test_a_certificate_that_nobody_vouches_for_is_refused(clock: Clock, certificates: Certificates) -> None:
    """An untrusted certificate is the endpoint's fault and may be mended, so it is tried again later."""
    strict = WebhookSettings(allow_private=("127.0.0.0/8",))
    handed_over = HandOver()
    async with Endpoint(OK, tls=certificates.server) as endpoint, channel_of(clock, strict) as channel:
        outcome = await channel.send(parcel_of(clock, endpoint.url()), handed_over)
    assert (outcome, handed_over.count, endpoint.received) == (Transient(code="certificate"), 0, [])


@given(st.from_regex(r"https?://[a-zA-Z0-9.:\[\]_%ü-]{1,30}(/[a-zA-Z0-9 %./?&=ü;:@-]{0,20})?", fullmatch=True))
def test_what_the_door_lets_through_the_client_reads_alike(text: str) -> None:
    """An accepted URL names the same scheme, host and port to the HTTP client, so nothing else is ever called."""
    try:
        url, host = addresses.endpoint(text)
    except addresses.Unfit:
        return
    read = URL(url)
    assert (read.scheme, read.raw_host, read.user) == (url.partition(":")[0], host, None)
    assert f":{read.port}" in url or read.is_default_port()
