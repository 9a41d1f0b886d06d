"""`python -m benchmarks.bare aiohttp|smtp|sqlite|rows ...`: the parts that bound a case, with nothing around them.

Answers for: the rate of one library doing one thing as well as it can, printed as JSON.
Must never: be tuned for a figure; each is what the library's own documentation calls the fast way.
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import aiosmtplib
import msgspec
import uvloop

from benchmarks import messages

_JSON = {"content-type": "application/json"}
_ROWS_A_TRANSACTION = 1_000

IN_FLIGHT = 32
"""Requests that the bare HTTP client has under way; more made it no faster."""
MAIL_CONNECTIONS = 16
"""Connections that the bare SMTP client keeps; more made it no faster."""


async def post(url: str, count: int, in_flight: int) -> float:
    """POST `count` webhook bodies on keep-alive connections; deliveries a second."""
    bodies = [_content(messages.webhook(number, conversation=0, sink_url=url)) for number in range(count)]
    asked = iter([(f"{url}/c/{number % 1_000}", body) for number, body in enumerate(bodies)])
    connector = aiohttp.TCPConnector(limit=in_flight)
    jar, timeout = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=timeout) as session:
        started = time.monotonic()
        await asyncio.gather(*(_post_all(session, asked) for _ in range(in_flight)))
        return count / (time.monotonic() - started)


async def _post_all(session: aiohttp.ClientSession, asked: Iterator[tuple[str, bytes]]) -> None:
    for url, body in asked:
        async with session.post(url, data=body, headers=_JSON) as answered:
            await answered.read()


async def mail(port: int, count: int, in_flight: int) -> float:
    """Send `count` mails, each connection reused for its share; mails a second."""
    mails = iter([_mail(number) for number in range(count)])

    async def deliver(client: aiosmtplib.SMTP) -> None:
        for recipient, mail_bytes in mails:
            await client.sendmail("no-reply@example.com", [recipient], mail_bytes)

    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(in_flight)]
    for client in clients:
        await client.connect()
    started = time.monotonic()
    await asyncio.gather(*map(deliver, clients))
    lasted_s = time.monotonic() - started
    for client in clients:
        await client.quit()
    return count / lasted_s


def rows(source: Path, count: int) -> float:
    """Read so many rows of a log's events, all their columns; rows a second."""
    read = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    started = time.monotonic()
    taken = sum(1 for _ in read.execute("SELECT * FROM event ORDER BY pos LIMIT ?", (count,)))
    return taken / (time.monotonic() - started)


def copy(source: Path, target: Path, messages_written: int) -> float:
    """Write all rows of a finished log into a new one with the same tables and indices; messages a second."""
    read = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    tables, indices = _schema(read, "table"), _schema(read, "index")
    rows = {name: read.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608  the names are its own
    read.close()
    written = sqlite3.connect(target, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 4000"):
        written.execute(f"PRAGMA {pragma}")
    for statement in [*tables.values(), *indices.values()]:
        written.execute(statement)
    started = time.monotonic()
    for batch in _batches(rows, -(-messages_written // _ROWS_A_TRANSACTION)):
        written.execute("BEGIN IMMEDIATE")
        for name, share in batch:
            places = ", ".join("?" * len(share[0]))
            written.executemany(f"INSERT INTO {name} VALUES ({places})", share)  # noqa: S608  likewise
        written.execute("COMMIT")
    return messages_written / (time.monotonic() - started)


def _content(message: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(message)["content"])


def _mail(number: int) -> tuple[str, bytes]:
    """A recipient and the finished mail: rendering is not the client's work, so it is done before the clock starts."""
    asked = msgspec.json.decode(messages.email(number, conversation=number % 1_000))
    headers = (
        "From: Tidings <no-reply@example.com>",
        f"To: {asked['to']}",
        f"Subject: {asked['content']['subject']}",
        f"Message-ID: <{number}@example.com>",
        "Date: Thu, 01 Jan 2026 00:00:00 +0000",
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
    )
    text = asked["content"]["text"].replace("\n", "\r\n")
    return asked["to"], ("\r\n".join(headers) + "\r\n\r\n" + text).encode()


def _schema(database: sqlite3.Connection, kind: str) -> dict[str, str]:
    asked = "SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    return dict(database.execute(asked, (kind,)).fetchall())


def _batches(
    rows: dict[str, list[tuple[object, ...]]], count: int
) -> Iterator[list[tuple[str, list[tuple[object, ...]]]]]:
    """Cut all tables into `count` equal shares, so that each transaction writes its share of every table."""
    for at in range(count):
        shares = ((name, all_[len(all_) * at // count : len(all_) * (at + 1) // count]) for name, all_ in rows.items())
        yield [(name, share) for name, share in shares if share]


def _main(what: str, *arguments: str) -> None:
    match what:
        case "aiohttp":
            rate = uvloop.run(post(arguments[0], int(arguments[1]), int(arguments[2])))
        case "smtp":
            rate = uvloop.run(mail(int(arguments[0]), int(arguments[1]), int(arguments[2])))
        case "sqlite":
            rate = copy(Path(arguments[0]), Path(arguments[1]), int(arguments[2]))
        case "rows":
            rate = rows(Path(arguments[0]), int(arguments[1]))
        case _:
            raise SystemExit(f"{what} is none of aiohttp, smtp, sqlite, rows")
    print(msgspec.json.encode({"rate": rate}).decode())


if __name__ == "__main__":
    _main(*sys.argv[1:])
