"""The handler of a source of hooks: one POST an attempt, with the very bytes that came in.

This file answers for what a handler sees and for reading its answer. It must never follow a redirect, repeat a request
by itself, pass on what could open anything at the sender's (credentials, cookies), or let a header of the sender's
stand for one of ours.

On the wire: the original body and content type, those of the original headers that were kept, and over them ours:
`webhook-id` (the hook's id, the same in every attempt), `webhook-timestamp` and, with secrets, `webhook-signature`
(Standard Webhooks 1.0.0); `Tidings-Source`, `Tidings-Attempt` (from 1), `Tidings-Event` (the sender's own id of the
event), `Tidings-Kind` (its word for it) and `Tidings-Cause`, to be given as the cause of what the handler then submits.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import ClientSession, hdrs
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict

from adapters.channels.endpoint_answers import answered, drained, unanswered
from adapters.channels.forward_settings import ForwardSettings
from adapters.channels.http_exchange import BROKEN, Body, Connections, trust, within
from adapters.channels.networks import Networks
from adapters.channels.signing import Signer
from core.content_shapes import HookContent
from core.outcomes import Config, Outcome, Permanent, Rate, Recipient, Transient
from core.policies import SECOND_US
from core.ports import Clock, Parcel

_DECODER: Final = msgspec.json.Decoder(HookContent)
_NO_TYPE: Final = "application/octet-stream"
# Svix's libraries prefer these to the standard's names: beside a signature of ours they would be taken for it.
_SVIX: Final = "svix-"


class ForwardChannel:
    """One handler: a signer, and one session whose connections are reused."""

    def __init__(
        self, settings: ForwardSettings, *, clock: Clock, agent: str, resolver: AbstractResolver | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._signer = Signer(settings.signing_secrets)
        self._connections = Connections(
            agent=agent,
            tls=trust(settings.ca_file),
            keep_alive_us=settings.keep_alive_us,
            resolver=resolver,
            socket_factory=Networks(settings.networks).socket_to,
        )

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Posts once. What fails before the first byte leaves is transient; after it, ambiguous."""
        with self._connections.in_use() as session:
            return await self._post(session, parcel, handed_over)

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._connections.close()

    async def _post(self, session: ClientSession, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        now_us = self._clock.now_us()
        left_us = min(parcel.deadline_us - now_us, self._settings.timeout_us)
        if left_us <= 0:
            return Transient(code="timeout")
        content = _DECODER.decode(parcel.content)
        headers = self._headers(parcel, content, now_us)
        body = Body(content.body, headers.pop(hdrs.CONTENT_TYPE, _NO_TYPE), handed_over)
        try:
            response = await session.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False, timeout=within(left_us)
            )
        except BROKEN as error:
            return _of_set_up(unanswered(error, left=body.left))
        outcome = _of_handler(answered(response, self._clock.now_us()))
        await drained(response)
        return outcome

    def _headers(self, parcel: Parcel, content: HookContent, now_us: int) -> CIMultiDict[str]:
        at_s = now_us // SECOND_US
        signed = bool(self._signer)
        headers = CIMultiDict(
            (name, value) for name, value in content.headers.items() if not (signed and name.lower().startswith(_SVIX))
        )
        headers["webhook-id"] = headers["Tidings-Cause"] = parcel.message
        headers["webhook-timestamp"] = str(at_s)
        headers["Tidings-Source"] = content.source
        headers["Tidings-Attempt"] = str(parcel.attempt)
        headers["Tidings-Event"] = content.key
        if content.kind:
            headers["Tidings-Kind"] = content.kind
        if signed:
            headers["webhook-signature"] = self._signer.signatures(parcel.message, at_s, content.body)
        return headers


def _of_set_up(outcome: Outcome) -> Outcome:
    """An address that may not be called is no fault of the hook's: it was configured, and a person has to mend that."""
    return Config(code=outcome.code, detail=outcome.detail) if isinstance(outcome, Permanent) else outcome


def _of_handler(outcome: Outcome) -> Outcome:
    """What an endpoint's answer means where the endpoint is the handler of a lane, not one peer of many."""
    match outcome:
        case Recipient():
            # It does not want this hook; the next one of the same customer is another matter.
            return Permanent(code=outcome.code, detail=outcome.detail)
        case Rate():
            return Rate(code=outcome.code, detail=outcome.detail, scope="lane", after_us=outcome.after_us)
        case _:
            return outcome
