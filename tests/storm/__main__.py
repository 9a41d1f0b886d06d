"""`python -m tests.storm [messages] [conversations] [kills] [per_s] [seed]`: a storm of any size, with its figures."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.promises.test_storm import judge
from tests.storm.storm import Weather, storm


def main() -> None:
    """Lets it blow and prints what was counted."""
    numbers = [int(word) for word in sys.argv[1:]] + [5_000, 500, 20, 100, 1][len(sys.argv) - 1 :]
    messages, conversations, kills, per_s, seed = numbers
    weather = Weather(messages=messages, conversations=conversations, kills=kills, per_s=per_s, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.monotonic()
        after = asyncio.run(storm(Path(folder), weather))
        took_s = time.monotonic() - began_s
    sys.stdout.write(
        f"{weather}\n{judge(after, weather)}\nsinks {after.books.answered}\nstarts {after.starts}, {took_s:.0f} s\n"
    )


if __name__ == "__main__":
    main()
