"""What an actor knows after an append: everything, or that the log has to be asked."""

from collections.abc import Callable
from types import TracebackType


class certain_or:  # noqa: N801  # It reads as a word of the sentence: with certain_or(forget).
    """Calls `forget` unless the block ends well.

    Refused, unknown or cancelled while waiting: what memory took for granted must go then. Of an append, only the log
    can say what became of it. A class, since one made from a generator costs each append twice as much.
    """

    __slots__ = ("_forget",)

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._forget()
