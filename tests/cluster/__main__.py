"""`python -m tests.cluster [messages] [per_s] [strikes] [seed]`: a storm over three daemons, with its figures.

Ends with 1 where a takeover took longer than is promised. How long it takes is judged here and in no test.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.clients import Load
from tests.cluster.judging import judge
from tests.cluster.lightning import at_random
from tests.cluster.storm import storm

_CONVERSATIONS = 500


def main() -> None:
    """Lets it blow and prints what was counted."""
    numbers = [int(word) for word in sys.argv[1:]] + [20_000, 300, 30, 1][len(sys.argv) - 1 :]
    messages, per_s, strikes, seed = numbers
    # The failover has a burst of its own.
    load = Load(
        messages=messages,
        conversations=_CONVERSATIONS,
        per_s=per_s,
        per_lane_s=per_s // 2,
        bursts=strikes + 1,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.monotonic()
        after = asyncio.run(storm(Path(folder), load, at_random))
        took_s = time.monotonic() - began_s
        verdict = judge(after, load)
    sys.stdout.write(f"{load}\n{verdict.told()}\nsinks {after.books.answered}\nends {after.ends}, {took_s:.0f} s\n")
    if verdict.late():
        sys.exit(1)


if __name__ == "__main__":
    main()
