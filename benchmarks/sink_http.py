"""`python -m benchmarks.sink_http`: the HTTP endpoint that every webhook of a benchmark is delivered to.

Answers for: taking deliveries faster than any side sends them, and recording each.
Must never: be the bottleneck; a bare client must see several times the rate of what is measured.
"""

import asyncio
import gc

import uvloop

from benchmarks.arrivals import CONTROL, Arrivals
from benchmarks.messages import number_in
from benchmarks.wire import Served, response

_TAKEN = response(200, b"{}")
_REFUSED = response(503, b"{}")


async def serve() -> None:
    """Listen on a free port, print `ready PORT PORT` (deliveries, control), and serve until killed."""
    arrivals = Arrivals()

    def take(served: Served, path: bytes, body: bytes) -> None:
        if path.startswith(CONTROL):
            arrivals.control(served, path, body)
        else:
            served.write(_TAKEN if arrivals.take(number_in(body)) else _REFUSED)

    server = await asyncio.get_running_loop().create_server(lambda: Served(take), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(f"ready {port} {port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles; a collection over a million recorded arrivals would only add a pause
    uvloop.run(serve())
