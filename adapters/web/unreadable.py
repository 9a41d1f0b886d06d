"""What the server itself refuses, before any call of ours sees it: told as a problem like every other refusal.

This file answers for requests that are no sound HTTP, and for what goes wrong outside the calls. It must never quote
what came: the line that is broken may hold a key.
"""

from aiohttp import http_exceptions, web

from adapters.web.problems import Problem, problem, response


class ProblemServer(web.Server):
    """The library's server, whose own refusals are problems."""

    @classmethod
    def like(cls, made: web.Server) -> "ProblemServer":
        """One that serves what `made` would have served, in the same way."""
        return cls(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,  # noqa: SLF001  # The library makes its server in one place, and asks nobody of which class.
            **made._kwargs,  # noqa: SLF001  # As above.
        )

    def __call__(self) -> web.RequestHandler:
        """What speaks to one client."""
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The last answer of a connection. Raises ConnectionError where half of another one is out."""
        # It also writes to the log; of what it makes, the words are left.
        super().handle_error(request, status, exc, message)
        if isinstance(exc, http_exceptions.HttpProcessingError):
            told = _unreadable(exc)
        else:
            told = problem("unexpected", "something unexpected happened; the daemon's log tells more")
        given = response(told)
        given.force_close()
        return given


def _unreadable(error: http_exceptions.HttpProcessingError) -> Problem:
    match error:
        case http_exceptions.LineTooLong():
            words = "the request line or a header is longer than is taken"
        case http_exceptions.InvalidHeader():
            words = "a header is not written as HTTP asks"
        case http_exceptions.BadStatusLine() | http_exceptions.InvalidURLError():
            words = "the request line is not written as HTTP asks"
        case http_exceptions.TransferEncodingError():
            words = "the body is not framed as HTTP asks"
        case _:
            words = "the request is not written as HTTP asks"
    return problem("malformed", words)
