"""How much of a long line is in memory: everything up to `end`, and whether the log holds more.

Pure bookkeeping of one line of one conversation; ranks are (place, stream) as the log orders them.
"""

from core.message import Message

Rank = tuple[int, int]


class Page:
    """The kept beginning of a line. A new one has read nothing yet; `beyond` False: it is here whole."""

    __slots__ = ("beyond", "end")

    def __init__(self) -> None:
        self.beyond = True
        self.end: Rank | None = None

    def holds(self, message: Message) -> bool:
        """Whether a message of this line belongs to the kept part."""
        if not self.beyond:
            return True
        return self.end is not None and (message.place or 0, message.id) <= self.end

    def read(self, ranks: list[Rank], *, limit: int) -> None:
        """A page of at most `limit` ranks was read beyond the end."""
        if ranks:
            self.end = ranks[-1]
        self.beyond = len(ranks) == limit

    def ends_after(self, rank: Rank) -> None:
        """Memory was cut: what is kept now ends here."""
        self.end = rank
        self.beyond = True
