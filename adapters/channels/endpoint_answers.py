"""What an endpoint that somebody wrote themselves answers: the receiver of a webhook, or the handler of hooks.

This file answers for reading such an answer, and a request that got none, into an outcome. It must never keep what an
endpoint said beyond its status and the headers that stop or slow a message down.
"""

from asyncio import timeout
from http import HTTPStatus
from typing import Final

from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientError, ClientResponse, InvalidURL

from adapters.channels.http_exchange import fault, first_bytes
from adapters.channels.networks import AddressRefused
from core.outcomes import Outcome, Permanent, Transient, of_endpoint_status, retry_after_us

# The status says all that we use; a body is read only so that its connection can serve again, and only this much of it.
ANSWER_BYTES_MAX: Final = 4_096
_ANSWER_TAIL_S: Final = 0.5
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def answered(response: ClientResponse, now_us: int) -> Outcome:
    """What an answer came to. Beside a refusal, `webhook-delivery: abort-message` ends the message."""
    status = response.status
    if not 200 <= status < 300 and response.headers.get("webhook-delivery") == "abort-message":
        return Permanent(code=str(status), detail="the endpoint asked to stop delivering this message")
    asked = response.headers.get("Retry-After")
    after_us = None if asked is None else retry_after_us(asked, now_us)
    return of_endpoint_status(status, after_us=after_us, detail=_PHRASES.get(status, ""))


def unanswered(error: ClientError | TimeoutError | OSError, *, left: bool) -> Outcome:
    """What a request without an answer came to."""
    match error:
        case ClientConnectorCertificateError():
            # Their certificate is their endpoint's fault, which they may mend; our own set-up is fine.
            return Transient(code="certificate")
        case ClientConnectorError(os_error=AddressRefused() as refused):
            return Permanent(code="address_refused", detail=str(refused))
        case InvalidURL():
            return Permanent(code="url")
        case _:
            return fault(error, left=left)


async def drained(response: ClientResponse) -> None:
    """Reads so much of an answer's body that its connection can serve again, if the rest comes at once."""
    if response.closed:
        return
    try:
        async with timeout(_ANSWER_TAIL_S):
            await first_bytes(response, ANSWER_BYTES_MAX)
    except TimeoutError:
        pass  # The status has been read, and with it the outcome; only the connection is lost.
