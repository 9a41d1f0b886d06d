"""Every provider's other side in a mood: a real server (or a directory) that behaves as ordered, and a channel to it.

It answers for what the contract of channels is asked of. It must never know what a test expects.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from msgspec.structs import replace

from adapters.chance import KeyedChance
from adapters.channels.accounts import Misbehaviour, ProviderSettings, SandboxSettings, SmtpSettings, WebhookSettings
from adapters.channels.building import build
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from core.policies import MINUTE_US, SECOND_US
from core.ports import Channel, Clock, Parcel
from tests.edges.channels import graph_api, green_api_server
from tests.edges.channels.endpoints import Answer, Endpoint, answers, resets, then_silence
from tests.edges.channels.fcm_pushes import PUSH, TO
from tests.edges.channels.fcm_server import FcmServer
from tests.edges.channels.graph_api import PHONE_NUMBER_ID, GraphApi
from tests.edges.channels.green_api_server import INSTANCE, GreenApiServer
from tests.edges.channels.mail_apis import RESEND_KEY, SENDGRID_KEY, FakeResend, FakeSendGrid
from tests.edges.channels.mail_servers import DROPS, HANGS, Script
from tests.edges.channels.parcels import EVENT, MAIL, HandOver, parcel_of

Mood = Literal["well", "refusing", "silent", "vanishing"]
Provider = Literal["smtp", "webhook", "sandbox", "whatsapp_cloud", "green_api", "fcm", "resend", "sendgrid"]

SENDER: Final = "a@b.example"
PHONE: Final = "+15550001111"
TEXT: Final = {"text": "See you at nine."}

_REPLIES: Final[dict[Mood, str]] = {
    "well": "250 ok",
    "refusing": "451 4.3.0 later",
    "silent": HANGS,
    "vanishing": DROPS,
}
_ANSWERS: Final[dict[Mood, Answer]] = {
    "well": answers(200),
    "refusing": answers(503),
    "silent": then_silence(),
    "vanishing": resets,
}
_ORDERS: Final[dict[Mood, tuple[Misbehaviour, ...]]] = {
    "well": (),
    "refusing": (Misbehaviour(outcome="transient"),),
    "silent": (Misbehaviour(outcome="taken", delay_us=60 * MINUTE_US),),
    "vanishing": (Misbehaviour(outcome="ambiguous"),),
}


class Line:
    """A channel whose counterpart is in some mood, and how to make a parcel for it."""

    def __init__(self, channel: Channel, clock: Clock, to: str, content: object) -> None:
        self.channel = channel
        self.handed_over = HandOver()
        self._clock = clock
        self._to = to
        self._content = content

    def parcel(self, *, attempt: int = 1, within_us: int = 20 * SECOND_US) -> Parcel:
        """One attempt at the counterpart, of a message that was accepted just now."""
        parcel = parcel_of(self._clock, self._to, self._content, attempt=attempt, within_us=within_us)
        return replace(parcel, accepted_us=self._clock.now_us())


@asynccontextmanager
async def line_to(provider: Provider, mood: Mood, clock: Clock, directory: Path) -> AsyncIterator[Line]:
    """A channel to a counterpart in this mood."""
    async with AsyncExitStack() as stack:
        settings, channel, to, content = await _OTHER_SIDES[provider](stack, mood, clock, directory)
        made = build(settings, lane="lane", channel=channel, clock=clock, chance=KeyedChance(1), release="1")
        stack.push_async_callback(made.close)
        line = Line(made, clock, to, content)
        if provider == "fcm" and mood in _MUTE:
            # What is asked of is an attempt that left; without a token at hand a short one ends before that.
            await made.send(line.parcel(), HandOver())
        yield line


Side = tuple[ProviderSettings, str, str, object]
"""Settings for the other side, the channel, an address there and a content."""

_MUTE: Final = {"silent", "vanishing"}


async def _reached(stack: AsyncExitStack, mood: Mood, url: str, *first: Answer) -> str:
    """Where requests go: to a server that does as the provider would, or to one that answers none as it should."""
    if mood == "well":
        return url
    return (await stack.enter_async_context(Endpoint(*first, _ANSWERS[mood]))).url("")


async def _smtp(stack: AsyncExitStack, mood: Mood, _clock: Clock, _directory: Path) -> Side:
    script = await stack.enter_async_context(Script(dot=_REPLIES[mood]))
    settings = SmtpSettings(host="127.0.0.1", port=script.port, tls="none", sender=SENDER)
    return settings, "email", "ann@example.com", MAIL


async def _webhook(stack: AsyncExitStack, mood: Mood, _clock: Clock, _directory: Path) -> Side:
    endpoint = await stack.enter_async_context(Endpoint(_ANSWERS[mood]))
    return WebhookSettings(allow_private=("127.0.0.0/8",), allow_http=True), "webhook", endpoint.url(), EVENT


async def _sandbox(_stack: AsyncExitStack, mood: Mood, _clock: Clock, directory: Path) -> Side:
    return SandboxSettings(directory=str(directory), misbehave=_ORDERS[mood]), "email", "ann@example.com", MAIL


async def _whatsapp_cloud(stack: AsyncExitStack, mood: Mood, _clock: Clock, _directory: Path) -> Side:
    meta = await stack.enter_async_context(GraphApi())
    url = await _reached(stack, mood, meta.url)
    settings = WhatsAppCloudSettings(phone_number_id=PHONE_NUMBER_ID, token=graph_api.TOKEN, url=url)
    return settings, "whatsapp", PHONE, TEXT


async def _green_api(stack: AsyncExitStack, mood: Mood, clock: Clock, _directory: Path) -> Side:
    server = await stack.enter_async_context(GreenApiServer(clock))
    url = await _reached(stack, mood, server.url)
    return GreenApiSettings(instance=INSTANCE, token=green_api_server.TOKEN, url=url), "whatsapp", PHONE, TEXT


async def _fcm(stack: AsyncExitStack, mood: Mood, _clock: Clock, _directory: Path) -> Side:
    google = await stack.enter_async_context(FcmServer())
    first = (answers(200, b'{"name":"projects/p/messages/1"}'),) if mood in _MUTE else ()
    url = await _reached(stack, mood, google.url, *first)
    return FcmSettings(service_account=google.account(), url=url), "push", TO, PUSH


async def _resend(stack: AsyncExitStack, mood: Mood, _clock: Clock, _directory: Path) -> Side:
    api = await stack.enter_async_context(FakeResend())
    url = await _reached(stack, mood, api.url)
    return ResendSettings(key=RESEND_KEY, sender=SENDER, url=url), "email", "ann@example.com", MAIL


async def _sendgrid(stack: AsyncExitStack, mood: Mood, _clock: Clock, _directory: Path) -> Side:
    api = await stack.enter_async_context(FakeSendGrid())
    url = await _reached(stack, mood, api.url)
    return SendGridSettings(key=SENDGRID_KEY, sender=SENDER, url=url), "email", "ann@example.com", MAIL


_OTHER_SIDES: Final[dict[Provider, Callable[[AsyncExitStack, Mood, Clock, Path], Awaitable[Side]]]] = {
    "smtp": _smtp,
    "webhook": _webhook,
    "sandbox": _sandbox,
    "whatsapp_cloud": _whatsapp_cloud,
    "green_api": _green_api,
    "fcm": _fcm,
    "resend": _resend,
    "sendgrid": _sendgrid,
}
