"""WhatsApp through Green API: a linked device, whose queue takes one request a message.

This file answers for sending to an instance, and for asking it what became of a message. It must never repeat a request
(there is no idempotency key: a second one is a second message), and never tell a path, since the token stands in it.

Taken means queued at Green API, which sends one message after another, and for 24 hours keeps those of an instance that
is not authorized. It knows no windows and no templates, so a `fallback_template` is left alone.
"""

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

import msgspec

from adapters.channels.green_api_answers import outcome_of
from adapters.channels.green_api_messages import Trace, in_journal, in_queue, method_of, request_of
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_account import Answer, HttpAccount
from core.outcomes import Outcome, Permanent, Taken
from core.policies import DAY_US, MINUTE_US
from core.ports import Clock, Parcel

# Lists of messages, with small pictures among them; a longer answer is not read to its end and proves nothing.
LIST_BYTES_MAX: Final = 4 * 1_048_576
# Enough to know those of hours at a device's pace, and small.
IDS_REMEMBERED_MAX: Final = 10_000

_ENCODER: Final = msgspec.json.Encoder()


class GreenApiChannel:
    """One instance. Raises ValueError for a URL that cannot stand and OSError for an unreadable `ca_file`."""

    def __init__(self, settings: GreenApiSettings, *, clock: Clock, agent: str) -> None:
        self._settings = settings
        self._clock = clock
        self._account = HttpAccount(
            base_url=settings.url,
            clock=clock,
            agent=agent,
            timeout_us=settings.timeout_us,
            ca_file=settings.ca_file,
        )
        # Whose is which id, the oldest first: how look-ups tell equal texts to one person apart.
        self._owners: dict[tuple[str, str], str] = {}

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Queues the message once. What fails before the first byte leaves is transient; after it, ambiguous."""
        request = request_of(parcel, link_preview=self._settings.link_preview)
        if isinstance(request, Permanent):
            return request
        answer = await self._account.request(
            "POST",
            self._path(method_of(request)),
            body=_ENCODER.encode(request),
            headers={},
            deadline_us=parcel.deadline_us,
            handed_over=handed_over,
        )
        if not isinstance(answer, Answer):
            return answer
        outcome = outcome_of(answer, now_us=self._clock.now_us(), to=parcel.to, token=self._settings.token)
        if isinstance(outcome, Taken):
            self._remember((request.chat_id, outcome.provider_id), parcel.message)
        return outcome

    async def look_up(self, parcel: Parcel, started_us: int) -> Taken | None:
        """Whether an equal message to the same person is queued, or went out at or after `started_us`.

        Best effort: nothing of ours comes back from Green API but the text, so what is known to be another message's is
        passed over: by the log, which outlives us, and by what we have seen ourselves. None proves nothing, since a
        queue shows its first 500 messages and a journal may be minutes behind.
        """
        request = request_of(parcel, link_preview=None)
        if isinstance(request, Permanent):
            return None
        # A message moves from the queue to the journal, so in this order it cannot slip through between the two.
        queue = await self._asked("showMessagesQueue")
        if found := self._own(in_queue(queue, request), parcel):
            return found
        journal = await self._asked("lastOutgoingMessages", f"?minutes={self._minutes_since(started_us)}")
        return self._own(in_journal(journal, request, since_us=started_us), parcel)

    async def close(self) -> None:
        """Closes every connection, once the requests that are under way have ended."""
        await self._account.close()

    async def _asked(self, method: str, query: str = "") -> bytes:
        """What a listing answers, empty where it does not."""
        answer = await self._account.request(
            "GET",
            self._path(method) + query,
            body=None,
            headers={},
            deadline_us=self._clock.now_us() + self._settings.timeout_us,
            answer_bytes_max=LIST_BYTES_MAX,
        )
        return answer.body if isinstance(answer, Answer) and answer.status == 200 else b""

    def _own(self, traces: Iterator[Trace], parcel: Parcel) -> Taken | None:
        """The newest trace that is not known to be another message's."""
        for trace in traces:
            key = (trace.chat_id, trace.id)
            if trace.id in parcel.ids_of_others:
                continue
            if self._owners.get(key, parcel.message) == parcel.message:
                self._remember(key, parcel.message)
                return Taken(code=trace.state, provider_id=trace.id)
        return None

    def _remember(self, key: tuple[str, str], message: str) -> None:
        self._owners[key] = message
        if len(self._owners) > IDS_REMEMBERED_MAX:
            del self._owners[next(iter(self._owners))]

    def _minutes_since(self, instant_us: int) -> int:
        passed_us = min(max(self._clock.now_us() - instant_us, 0), DAY_US - MINUTE_US)
        # One more than has passed: the two clocks differ, and Green API counts whole minutes.
        return passed_us // MINUTE_US + 1

    def _path(self, method: str) -> str:
        return f"/waInstance{quote(self._settings.instance, safe='')}/{method}/{quote(self._settings.token, safe='')}"
