"""Pushes through Firebase Cloud Messaging, HTTP v1: one POST an attempt, to one registration.

This file answers for the order of one attempt: the message is made, a token is at hand, the message leaves, its answer
is read. It must never fan out to a user's devices (a layer above does), nor repeat a message that may have been taken:
the one repeat within an attempt follows a definite 401, which takes nothing.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from adapters.channels.fcm_errors import UNREADABLE, Refusal, outcome_of, refusal_of
from adapters.channels.fcm_message import registration_of, rendered
from adapters.channels.fcm_mismatches import Mismatches
from adapters.channels.fcm_settings import FcmSettings, service_account_of
from adapters.channels.google_tokens import MESSAGING, GoogleTokens
from adapters.channels.http_account import Answer, HttpAccount
from core.outcomes import Ambiguous, Outcome, Permanent, Taken, Transient
from core.ports import Clock, Parcel


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    name: str


_SENT: Final = msgspec.json.Decoder(_Sent)


class FcmChannel:
    """One Firebase project. Raises ValueError for settings with `mistakes`, OSError for an unreadable `ca_file`."""

    def __init__(self, settings: FcmSettings, *, clock: Clock, agent: str) -> None:
        account = service_account_of(settings.service_account)
        self._path = f"/v1/projects/{settings.project_id or account.project_id}/messages:send"
        self._timeout_us = settings.timeout_us
        self._clock = clock
        self._mismatches = Mismatches()
        self._tokens = GoogleTokens(
            account,
            scope=MESSAGING,
            clock=clock,
            agent=agent,
            timeout_us=settings.timeout_us,
            ca_file=settings.ca_file,
        )
        self._http = HttpAccount(
            base_url=settings.url,
            clock=clock,
            agent=agent,
            timeout_us=settings.timeout_us,
            ca_file=settings.ca_file,
        )

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Sends to the registration that `parcel.to` names. In doubt without an answer, and harmless to repeat."""
        now_us = self._clock.now_us()
        registration = registration_of(parcel.to)
        if isinstance(registration, Permanent):
            return registration
        message = rendered(parcel, registration, now_us=now_us)
        if isinstance(message, Permanent):
            return message
        deadline_us = min(parcel.deadline_us, now_us + self._timeout_us)
        if deadline_us <= now_us:
            return Transient(code="timeout")
        token = await self._tokens.token(deadline_us)
        if not isinstance(token, str):
            return token
        answer = await self._post(message, token, deadline_us, handed_over)
        if isinstance(answer, Refusal) and _refuses_token(answer):
            token = await self._tokens.another(token, deadline_us)
            if not isinstance(token, str):
                return token
            # It left a moment ago and was refused as a whole, so this is still the same hand-over.
            answer = await self._post(message, token, deadline_us, None)
        outcome = outcome_of(answer, to=registration.value) if isinstance(answer, Refusal) else answer
        return self._mismatches.judged(outcome, registration.value, self._clock.now_us())

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._http.close()
        await self._tokens.close()

    async def _post(
        self, message: bytes, token: str, deadline_us: int, handed_over: Callable[[], None] | None
    ) -> Refusal | Outcome:
        answer = await self._http.request(
            "POST",
            self._path,
            body=message,
            headers={"Authorization": f"Bearer {token}"},
            deadline_us=deadline_us,
            handed_over=handed_over,
        )
        if not isinstance(answer, Answer):
            return answer
        if not 200 <= answer.status < 300:
            return refusal_of(answer.status, answer.body, after_us=answer.after_us(self._clock.now_us()))
        try:
            return Taken(code=str(answer.status), provider_id=_SENT.decode(answer.body).name)
        except UNREADABLE:
            # Success without a name is no answer of FCM's; something in between may have given it.
            return Ambiguous(code="bad_answer")


def _refuses_token(refusal: Refusal) -> bool:
    return refusal.status == 401 and refusal.code == "UNAUTHENTICATED"
