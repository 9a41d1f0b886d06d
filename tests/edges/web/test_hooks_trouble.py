"""Answers for the door for hooks in trouble: bounds, silence, a log that fails or hangs, a house that stops."""

import hmac
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from adapters.web.front import WebBounds
from core.errors import StoreUnavailable
from core.records import Acceptance, Repeated, Stored
from eventstore.disk import Border
from eventstore.memory import MemoryLog
from tests.edges.hooks.meta_bodies import body as meta_body
from tests.edges.hooks.meta_bodies import entry, updates, written
from tests.edges.web.hook_house import STRIPE, HookHouse, taking_hooks
from tests.edges.web.house import Json, bare_line

pytestmark = pytest.mark.anyio

GITHUB = '[hooks.github]\nscheme = "github"\nsecrets = ["gh-secret"]\n'
EVENT: Json = {"id": "evt_1", "object": "event", "type": "invoice.paid"}


class BrokenDisk:
    """A disk that refuses, or takes for ever, while a test wants it to."""

    def __init__(self) -> None:
        self.is_full = False

    def at(self, border: Border, _rows: int) -> None:
        if self.is_full and border == "before_write":
            raise StoreUnavailable("the disk is full")

    def mended(self) -> None:
        self.is_full = False


class GatedLog(MemoryLog):
    """A log that counts what it is asked to accept, and answers once its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = 0, anyio.Event()

    async def accept(self, acceptance: Acceptance) -> Stored | Repeated:
        self.asked += 1
        await self.gate.wait()
        return await super().accept(acceptance)

    async def asked_for(self, count: int) -> None:
        """Returns once it was asked so often."""
        with anyio.fail_after(20):
            while self.asked < count:
                await anyio.lowlevel.checkpoint()


class HangingLog(MemoryLog):
    """A log whose commits are durable and not answered, while a test wants that."""

    hangs = False

    async def accept(self, acceptance: Acceptance) -> Stored | Repeated:
        answer = await super().accept(acceptance)
        if self.hangs:
            await anyio.sleep_forever()
        return answer


async def test_size_is_checked_before_anything_is_hashed(tmp_path: Path) -> None:
    """Past a source's bound a body gets 413, said beforehand or not; a source may have a bound of its own."""
    text = STRIPE + STRIPE.replace("hooks.stripe", "hooks.small") + 'body_max = "1KiB"\n'
    async with taking_hooks(text, tmp_path) as house:
        large: Json = {"id": "evt_1", "pad": "x" * 2_000}
        assert (await house.stripe(large)).status == 200
        assert (await house.stripe(large, source="small")).kind == "too-large"
        async with bare_line(house) as bare:
            head = b"POST /hooks/small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            await bare.send(head + b"".join(b"200\r\n" + b"x" * 512 + b"\r\n" for _ in range(8)) + b"0\r\n\r\n")
            assert (await bare.all()).startswith(b"HTTP/1.1 413 ")
        assert await house.metric("tidings_hooks_refused_total", source="small", reason="too-large") == 2


@pytest.mark.slow
async def test_githubs_largest_hooks_fit(tmp_path: Path) -> None:
    """GitHub sends up to 25 MB, far beyond the bound of the API, and it is taken whole."""
    body = b'{"pad":"' + b"x" * (24 << 20) + b'"}'
    async with taking_hooks(GITHUB, tmp_path, door=WebBounds(hook_within_s=60)) as house:
        signature = hmac.digest(b"gh-secret", body, "sha256").hex()
        given = await house.post("github", body, {"X-Hub-Signature-256": f"sha256={signature}"})
        assert (given.status, given.json["taken"]) == (200, 1)


async def test_bodies_of_strangers_share_one_bounded_memory(tmp_path: Path) -> None:
    """Where it is full a hook gets 503, and room is there again once those before it were answered."""
    async with taking_hooks(STRIPE, tmp_path, door=WebBounds(hook_bytes_max=4_096)) as house:
        async with bare_line(house) as bare:
            await bare.send(b"POST /hooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n" + b"x" * 3_900)
            # It is being read as soon as somebody else finds no room.
            await _until(503, house)
        await _until(200, house)
        assert await house.metric("tidings_hooks_refused_total", source="stripe", reason="unavailable") >= 1


@pytest.mark.slow
async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    """A sender that falls silent gets 408 after a moment, and holds no memory any longer."""
    async with taking_hooks(STRIPE, tmp_path, door=WebBounds(hook_silence_s=0.05)) as house, bare_line(house) as bare:
        await bare.send(b"POST /hooks/stripe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\nabc")
        assert (await bare.all()).startswith(b"HTTP/1.1 408 ")
        assert await house.metric("tidings_hooks_refused_total", source="stripe", reason="timeout") == 1


async def test_a_full_disk_makes_senders_come_again(tmp_path: Path) -> None:
    """While the log cannot be written a hook gets 503 with Retry-After and leaves nothing; then it is taken."""
    disk = BrokenDisk()
    async with taking_hooks(STRIPE, tmp_path, log=MemoryLog(disk=disk)) as house:
        await house.secret()
        disk.is_full = True
        given = await house.stripe(EVENT)
        assert (given.status, given.kind, given.headers["Retry-After"]) == (503, "unavailable", "1")
        assert await house.count() == 0
        with anyio.fail_after(20):
            while (again := await house.stripe(EVENT)).status == 503:
                pass
        assert again.json["taken"] == 1


async def test_a_log_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    """Past the bound of what senders wait a hook gets 503; where it was durable after all, the next try finds it."""
    log = HangingLog()
    async with taking_hooks(STRIPE, tmp_path, log=log, door=WebBounds(hook_within_s=0.05)) as house:
        await house.secret()
        log.hangs = True
        given = await house.stripe(EVENT)
        assert (given.status, given.kind) == (503, "unavailable")
        assert int(given.headers["Retry-After"]) >= 1
        log.hangs = False
        assert (await house.stripe(EVENT)).status == 200
        assert len(await house.hooks()) == 1


async def test_large_hooks_are_taken_one_after_another(tmp_path: Path) -> None:
    """Batches that come together do not hold each other up until all are late; small hooks pass them by."""
    log = GatedLog()
    sources = [f'[hooks.{name}]\nscheme = "meta"\nsecrets = ["s"]\nverify_token = "v"\n' for name in ("one", "two")]
    body = meta_body(entry(updates(messages=[written(n) for n in range(100)])))
    signature = f"X-Hub-Signature-256: sha256={hmac.digest(b's', body, 'sha256').hex()}"
    head = f"POST /hooks/%s HTTP/1.1\r\nHost: x\r\n{signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    async with taking_hooks("".join((STRIPE, *sources)), tmp_path, log=log, door=WebBounds(hook_within_s=60)) as house:
        async with bare_line(house) as first, bare_line(house) as second, anyio.create_task_group() as group:
            await first.send((head % "one").encode() + body)
            await log.asked_for(100)
            await second.send((head % "two").encode() + body)
            group.start_soon(house.stripe, EVENT)
            await log.asked_for(101)
            assert log.asked == 101
            log.gate.set()
            await log.asked_for(201)
        assert await house.count() == 201


async def test_a_house_that_stops_takes_no_more_hooks(tmp_path: Path) -> None:
    """Once it is told to stop, a hook gets 503 and its sender comes again."""
    async with taking_hooks(STRIPE, tmp_path) as house:
        await house.system.stop()
        assert (await house.stripe(EVENT)).status == 503


async def _until(status: int, house: HookHouse) -> None:
    """Sends hooks until one is answered like this."""
    with anyio.fail_after(20):
        while (await house.stripe({"id": f"evt_{status}", "pad": "x" * 300})).status != status:
            pass
