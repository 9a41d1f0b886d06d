"""Answers for encryption and passwords: exactly what was asked for, or nothing is sent at all."""

import pytest

from adapters.channels.accounts import SmtpSettings
from adapters.channels.smtp import SmtpChannel
from core.outcomes import Config, Outcome, Taken, Transient
from core.ports import Clock
from tests.edges.channels.mail_servers import Mailhost, Script
from tests.edges.channels.parcels import MAIL, Certificates, HandOver, parcel_of

# The server warns of logins where it knows of no encryption; these are encrypted, or never leave the machine.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),
]

ANN = "ann@example.com"
LOGIN = ("house", "pässword")
SENDER = "no@example.com"


async def sent(clock: Clock, settings: SmtpSettings) -> tuple[Outcome, int]:
    """What one mail comes to, and how often it was handed over."""
    handed_over = HandOver()
    channel = SmtpChannel(settings, clock=clock)
    try:
        return await channel.send(parcel_of(clock, ANN, MAIL), handed_over), handed_over.count
    finally:
        await channel.close()


def settings_of(port: int, **changes: object) -> SmtpSettings:
    """An account at a server here."""
    asked: dict[str, object] = {"host": "localhost", "port": port, "sender": SENDER}
    return SmtpSettings(**{**asked, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_mail_travels_encrypted_and_logged_in(clock: Clock, certificates: Certificates, tls: str) -> None:
    """With a certificate that is trusted and the right password the mail arrives over TLS, on both kinds of port."""
    user, password = LOGIN
    async with Mailhost(tls=certificates.server, implicit=tls == "implicit", user=LOGIN) as host:
        account = settings_of(host.port, tls=tls, ca_file=certificates.ca_file, user=user, password=password)
        outcome, handed_over = await sent(clock, account)
    assert (type(outcome), handed_over) == (Taken, 1)
    (taken,) = host.taken
    assert (taken.over_tls, taken.login) == (True, "house")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_that_nobody_vouches_for_stops_the_lane(
    clock: Clock, certificates: Certificates, tls: str
) -> None:
    """An untrusted certificate of our own provider is a broken set-up, and no command follows it."""
    async with Mailhost(tls=certificates.server, implicit=tls == "implicit") as host:
        outcome, handed_over = await sent(clock, settings_of(host.port, tls=tls))
    assert isinstance(outcome, Config)
    assert (outcome.code, handed_over, host.taken) == ("certificate", 0, [])


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_for_another_name_stops_the_lane(
    clock: Clock, certificates: Certificates, tls: str
) -> None:
    """A trusted certificate counts only for the host that was configured."""
    async with Mailhost(tls=certificates.other, implicit=tls == "implicit") as host:
        outcome, _ = await sent(clock, settings_of(host.port, tls=tls, ca_file=certificates.ca_file))
    assert isinstance(outcome, Config)
    assert (outcome.code, host.taken) == ("certificate", [])


async def test_starttls_that_is_not_offered_is_never_done_without(clock: Clock) -> None:
    """Somebody may have cut the offer out of the server's answer, so not even the envelope is named in the clear."""
    script = Script()
    async with script:
        outcome, handed_over = await sent(clock, settings_of(script.port, tls="starttls"))
    assert isinstance(outcome, Config)
    assert (outcome.code, handed_over) == ("starttls_missing", 0)
    assert [line.partition(" ")[0] for line in script.commands] == ["EHLO"]


async def test_a_refused_starttls_sends_nothing(clock: Clock) -> None:
    """A server that offers STARTTLS and then cannot is busy or broken, by its code."""
    for said, kind in (("454 4.7.0 TLS not available", Transient), ("501 syntax", Config)):
        script = Script(ehlo="250-script\r\n250 STARTTLS", starttls=said)
        async with script:
            outcome, handed_over = await sent(clock, settings_of(script.port, tls="starttls"))
        assert (type(outcome), handed_over) == (kind, 0)
        assert not any(line.startswith("MAIL") for line in script.commands)


async def test_tls_against_a_server_without_is_no_doubt(clock: Clock) -> None:
    """TLS from the first byte to a port that speaks plain SMTP fails before anything was sent."""
    script = Script()
    async with script:
        outcome, handed_over = await sent(clock, settings_of(script.port, tls="implicit"))
    assert (outcome, handed_over) == (Transient(code="tls"), 0)


async def test_a_wrong_password_stops_the_lane(clock: Clock, certificates: Certificates) -> None:
    """535 is our set-up: the lane waits for a person, and no mail is lost to it."""
    async with Mailhost(tls=certificates.server, user=LOGIN) as host:
        account = settings_of(host.port, tls="starttls", ca_file=certificates.ca_file, user="house", password="wrong")
        outcome, handed_over = await sent(clock, account)
    assert isinstance(outcome, Config)
    assert (outcome.code, handed_over, host.taken) == ("535 5.7.8", 0, [])


async def test_a_login_that_is_not_asked_for_stops_the_lane(clock: Clock) -> None:
    """An account with a password at a server that takes none is a mistake that somebody should see."""
    async with Script() as script:
        outcome, _ = await sent(clock, settings_of(script.port, tls="none", user="house", password="x"))
    assert isinstance(outcome, Config)
    assert outcome.code == "login_missing"


async def test_a_password_is_never_sent_in_the_clear_to_another_machine(clock: Clock) -> None:
    """Without TLS a login is refused before anything is connected, unless the server is on this machine."""
    outcome, handed_over = await sent(clock, settings_of(25, host="mail.example", tls="none", user="u", password="p"))
    assert isinstance(outcome, Config)
    assert (outcome.code, handed_over) == ("login_needs_tls", 0)
    async with Mailhost(user=LOGIN) as host:
        here, _ = await sent(clock, settings_of(host.port, tls="none", user=LOGIN[0], password=LOGIN[1]))
    assert isinstance(here, Taken)
    assert (host.taken[0].over_tls, host.taken[0].login) == (False, "house")


async def test_plain_mail_is_not_encrypted_behind_our_back(clock: Clock) -> None:
    """`none` means none, even where the server offers more: what travels is what was configured."""
    script = Script(ehlo="250-script\r\n250 STARTTLS")
    async with script:
        outcome, _ = await sent(clock, settings_of(script.port, tls="none"))
    assert isinstance(outcome, Taken)
    assert "STARTTLS" not in script.commands
