"""Lines out of a body that arrives in pieces.

This file answers for where a line ends and for what is too long to be one. It must never hold more than one line.
"""

from collections.abc import Iterator


class Lines:
    """The lines of one body. A line over the bound is given as None once it ends; blank lines are passed over."""

    __slots__ = ("_bytes_max", "_rest", "_too_long")

    def __init__(self, *, line_bytes_max: int) -> None:
        self._bytes_max = line_bytes_max
        self._rest = b""
        self._too_long = False

    def fed(self, piece: bytes) -> Iterator[bytes | None]:
        """The lines that end within this piece."""
        *whole, rest = (self._rest + piece).split(b"\n") if self._rest else piece.split(b"\n")
        for line in whole:
            yield from self._ended(line)
        # Of a line that is too long already, nothing more is kept.
        self._too_long = self._too_long or len(rest) > self._bytes_max
        self._rest = b"" if self._too_long else rest

    def ended(self) -> Iterator[bytes | None]:
        """The last line, where the body did not end with a line break."""
        rest, self._rest = self._rest, b""
        yield from self._ended(rest)

    def _ended(self, line: bytes) -> Iterator[bytes | None]:
        too_long = self._too_long or len(line) > self._bytes_max
        self._too_long = False
        if too_long:
            yield None
        elif line and not line.isspace():
            yield line
