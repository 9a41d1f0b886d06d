"""The daemon as the commands see it: calls over HTTP, and its refusals as one clear line.

This file answers for reaching it and for the key that is used. It must never send a key from a file of this machine to
another machine, nor follow a redirect with it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, urlencode, urlsplit

from adapters.cli.ending import Ended, misused

if TYPE_CHECKING:
    import http.client

DEFAULT_URL: Final = "http://127.0.0.1:8420"
KEY_FILE: Final = "admin.key"
# A batch of the daemon's own work (a commit under load, a count) takes seconds at worst.
_PATIENCE_S: Final = 60.0
# The event stream says something every 15 s; three silences mean that nobody is there.
_FOLLOWING_PATIENCE_S: Final = 45.0
_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}

Answer = dict[str, object]


class Daemon:
    """One daemon, asked in the name of one key."""

    def __init__(self, url: str, key: str, tenant: str | None) -> None:
        self._parts = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        if tenant is not None:
            self._headers["Tidings-Tenant"] = tenant

    def get(self, *path: str, **query: object) -> Answer:
        """What is at a path."""
        return self._call("GET", _target(path, query), None)

    def post(self, *path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to an order."""
        return self._call("POST", _target(path, {}), {} if body is None else body, headers or {})

    def put(self, *path: str, body: object) -> Answer:
        """The answer to making something what the body says."""
        return self._call("PUT", _target(path, {}), body)

    def delete(self, *path: str) -> Answer:
        """Takes away what is at a path; answers what there is to say about that."""
        return self._call("DELETE", _target(path, {}), None)

    def follow(self, *path: str, **query: object) -> Iterator[tuple[str, Answer]]:
        """Server-sent events with their ids, until the daemon ends the stream."""
        from http.client import HTTPException

        connection = self._connection(_FOLLOWING_PATIENCE_S)
        try:
            response = self._answered(connection, "GET", _target(path, query), body=None, headers=self._headers)
            if response.status != 200:
                raise _refusal(response.status, response.read())
            yield from _events(response)
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def _call(self, method: str, target: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        from http.client import HTTPException

        connection = self._connection(_PATIENCE_S)
        sent = None if body is None else json.dumps(body).encode()
        given = self._headers | ({"Content-Type": "application/json"} if sent is not None else {}) | dict(headers or {})
        try:
            response = self._answered(connection, method, target, body=sent, headers=given)
            content = response.read()
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise _refusal(response.status, content)
        return cast("Answer", json.loads(content)) if content else {}

    def _connection(self, patience_s: float) -> "http.client.HTTPConnection":
        from http.client import HTTPConnection, HTTPSConnection

        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        assert self._parts.hostname is not None, "the address was checked"
        return kind(self._parts.hostname, self._parts.port, timeout=patience_s)

    def _answered(
        self,
        connection: "http.client.HTTPConnection",
        method: str,
        target: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> "http.client.HTTPResponse":
        connection.request(method, self._parts.path.rstrip("/") + target, body=body, headers=headers)
        return connection.getresponse()

    def _unreachable(self, error: Exception) -> Ended:
        where = f"{self._parts.scheme}://{self._parts.netloc}"
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Ended(f"No daemon answers at {where} ({words}). `tidings serve` starts one; --url says where it is.")


def reach(url: str | None, key: str | None, data: Path, tenant: str | None = None) -> Daemon:
    """The daemon that is meant; without a key, one on this machine with the key that it wrote at its first start."""
    where = url or DEFAULT_URL
    host = _host_of(where)
    if tenant is not None and not _fits_a_header(tenant):
        raise misused("--tenant is no tenant's name: expected ASCII letters, digits, '.', '_' or '-', or '*'.")
    # An empty one is a script's variable that was not set: never the key of an administrator instead.
    if key is not None and not _fits_a_header(key):
        raise misused("--key is no API key: expected the printable ASCII characters that `tidings keys add` gave.")
    return Daemon(where, _key_of(data, host) if key is None else key, tenant)


def _fits_a_header(text: str) -> bool:
    return text != "" and text.isascii() and text.isprintable()


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts.hostname
    except ValueError:
        pass  # A port that is no number.
    raise misused(f"--url {url} is no address such as {DEFAULT_URL}.")


def _key_of(data: Path, host: str) -> str:
    file = data / KEY_FILE
    if host not in _LOOPBACK:
        raise misused("A daemon on another machine needs --key or TIDINGS_KEY.")
    try:
        key = file.read_text().strip()
    except FileNotFoundError:
        raise misused(
            f"There is no key: give --key or TIDINGS_KEY, or --data with {KEY_FILE} in it (not {file})."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Ended(f"The key file {file} cannot be read: {error}.") from None
    if not key:
        raise Ended(f"The key file {file} is empty: the daemon's first start was interrupted. Start it again.")
    if not _fits_a_header(key):
        raise Ended(f"The key file {file} holds no API key.")
    return key


def _target(path: tuple[str, ...], query: Mapping[str, object]) -> str:
    asked = {name: str(value) for name, value in query.items() if value is not None}
    return "/" + "/".join(quote(part, safe="") for part in path) + (f"?{urlencode(asked)}" if asked else "")


def _refusal(status: int, content: bytes) -> Ended:
    try:
        problem = json.loads(content)
        words = [f"{problem['title']}: {problem['detail']}."]
        if (correlation := problem.get("correlation")) is not None:
            words.append(f"  Its log line has the correlation {correlation}.")
        if (wait_s := problem.get("retry_after_s")) is not None:
            words.append(f"  Try again in {wait_s} s.")
    except (ValueError, KeyError, TypeError):
        words = [f"The answer was HTTP {status}, and not from a Tidings daemon."]
    return Ended("\n".join(words), status=2 if status in (400, 422) else 1)


def _events(response: "http.client.HTTPResponse") -> Iterator[tuple[str, Answer]]:
    # The HTML standard, section 9.2.6: fields until an empty line; a colon begins a comment.
    cursor, data = "", ""
    for raw in response:
        field, _, value = raw.decode().rstrip("\r\n").partition(":")
        if field == "id":
            cursor = value.removeprefix(" ")
        elif field == "data":
            data += value.removeprefix(" ")
        elif not field and not value and data:
            yield cursor, json.loads(data)
            data = ""
