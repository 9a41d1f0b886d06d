"""`python -m benchmarks.load PLAN REPORT`: the load client, one process of its own.

Answers for: sending what the plan says over keep-alive connections, closed loop or at a rate, and when each was
answered.
Must never: be the bottleneck (every request is rendered before the first is sent), or hide its own waiting: in an open
loop a message's clock starts when it is due, even where no connection is free.
"""

import asyncio
import gc
import sys
import time
from collections import deque
from pathlib import Path

import msgspec
import uvloop

from benchmarks import messages
from benchmarks.wire import Calling, connect, request

EMAIL, WEBHOOK = "email", "webhook"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one load client is to send."""

    port: int
    key: str
    count: int
    first: int = 0
    """The number of the first message."""
    channel: str = WEBHOOK
    sink_url: str = ""
    conversations: int = 1_000
    connections: int = 64
    rate: float | None = None
    """Messages a second in an open loop; None is a closed loop, one message in flight a connection."""
    lines: int = 1
    """Messages a request: above 1 they go to the batch call as NDJSON."""
    tenant: str | None = None
    extra: dict[str, object] = {}
    """Further fields of every message."""
    source: str = ""
    """Where it is set, events are posted to this source of hooks, signed as Stripe does under `secret`."""
    secret: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a plan; instants are monotonic nanoseconds, one a request, in the order of the plan."""

    sent_ns: list[int]
    answered_ns: list[int]
    refused: int
    """Messages that were not accepted."""
    first_refusal: str

    @property
    def lasted_s(self) -> float:
        """From the first request to the last answer."""
        return (max(self.answered_ns) - min(self.sent_ns)) / 1e9


def requests(plan: Plan) -> list[bytes]:
    """Every request of the plan, whole."""
    if plan.source:
        return _hooks(plan)
    headers = {"authorization": f"Bearer {plan.key}", "content-type": "application/json"}
    if plan.tenant is not None:
        headers["tidings-tenant"] = plan.tenant
    bodies = [_message(plan, number) for number in range(plan.first, plan.first + plan.count)]
    if plan.lines == 1:
        return [request("POST", "/v1/messages", body, headers) for body in bodies]
    headers["content-type"] = "application/x-ndjson"
    batches = [bodies[start : start + plan.lines] for start in range(0, plan.count, plan.lines)]
    return [request("POST", "/v1/messages/batch", b"\n".join(batch) + b"\n", headers) for batch in batches]


def _hooks(plan: Plan) -> list[bytes]:
    at_s, found = int(time.time()), []
    for number in range(plan.first, plan.first + plan.count):
        body = messages.event(number, conversation=number % plan.conversations)
        headers = {"content-type": "application/json", "stripe-signature": messages.signed(body, plan.secret, at_s)}
        found.append(request("POST", f"/hooks/{plan.source}", body, headers))
    return found


def _message(plan: Plan, number: int) -> bytes:
    conversation = number % plan.conversations
    if plan.channel == EMAIL:
        return messages.email(number, conversation=conversation, extra=plan.extra)
    return messages.webhook(number, conversation=conversation, sink_url=plan.sink_url, extra=plan.extra)


class _Load:
    """The plan under way: which requests are due, which connections are free, and what was answered."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # A hook is answered 200, a message 202; with 200 it would be one that came before.
        self._wanted = 200 if plan.source else 202
        self._requests = requests(plan)
        self._due: deque[int] = deque()
        self._idle: list[Calling] = []
        self._asking: dict[Calling, int] = {}
        self._sent_ns = [0] * len(self._requests)
        self._answered_ns = [0] * len(self._requests)
        self._open = len(self._requests)
        self._refused = 0
        self._first_refusal = ""
        self._done = asyncio.get_running_loop().create_future()

    async def run(self) -> Report:
        plan = self._plan
        self._idle = await connect("127.0.0.1", plan.port, plan.connections, self._answered)
        for calling in self._idle:
            calling.lost = self._lost
        if plan.rate is None:
            self._closed_loop()
        else:
            await self._open_loop(plan.rate)
        await self._done
        return Report(
            sent_ns=self._sent_ns,
            answered_ns=self._answered_ns,
            refused=self._refused,
            first_refusal=self._first_refusal,
        )

    def _closed_loop(self) -> None:
        self._due.extend(range(len(self._requests)))
        self._ask(starting=True)

    async def _open_loop(self, rate: float) -> None:
        started = time.monotonic()
        for position in range(len(self._requests)):
            # The loop's timers tick in milliseconds; what is overdue goes at once and starts its clock now.
            ahead_s = started + position / rate - time.monotonic()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            self._sent_ns[position] = time.monotonic_ns()
            self._due.append(position)
            self._ask(starting=False)

    def _ask(self, *, starting: bool) -> None:
        while self._idle and self._due:
            self._put(self._idle.pop(), self._due.popleft(), starting=starting)

    def _put(self, calling: Calling, position: int, *, starting: bool) -> None:
        self._asking[calling] = position
        if starting:
            self._sent_ns[position] = time.monotonic_ns()
        calling.ask(self._requests[position])

    def _answered(self, calling: Calling, status: int, body: bytes) -> None:
        position = self._asking.pop(calling)
        self._answered_ns[position] = time.monotonic_ns()
        refused = int(status != self._wanted) if self._plan.lines == 1 else self._refused_lines(position, status, body)
        if refused:
            self._refused += refused
            self._first_refusal = self._first_refusal or f"{status} {body[:400]!r}"
        self._open -= 1
        if self._due:
            self._put(calling, self._due.popleft(), starting=self._plan.rate is None)
        else:
            self._idle.append(calling)
        if not self._open:
            self._done.set_result(None)

    def _refused_lines(self, position: int, status: int, body: bytes) -> int:
        lines = min(self._plan.lines, self._plan.count - position * self._plan.lines)
        return lines - body.count(b'"duplicate"') if status < 300 else lines

    def _lost(self, calling: Calling) -> None:
        if not self._done.done() and calling in self._asking:
            self._done.set_exception(ConnectionError("the server closed a connection with a request on it"))


async def _main(plan: Path, report: Path) -> None:
    done = await _Load(msgspec.msgpack.decode(plan.read_bytes(), type=Plan)).run()
    report.write_bytes(msgspec.msgpack.encode(done))


if __name__ == "__main__":
    gc.disable()  # a collection over all rendered requests would be a pause of the client, seen as one of the daemon
    uvloop.run(_main(Path(sys.argv[1]), Path(sys.argv[2])))
