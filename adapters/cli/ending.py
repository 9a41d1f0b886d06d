"""How a command ends when it cannot do what was asked: one clear line and an exit status.

0 is done, 1 is what was asked for does not hold, 2 is misuse. This file must never import anything heavy: every command
does.
"""

from typing import Final

DONE: Final = 0
DOES_NOT_HOLD: Final = 1
MISUSE: Final = 2


class Ended(Exception):
    """The command ends here, with a whole sentence for whoever called it (empty: everything was said)."""

    def __init__(self, words: str = "", *, status: int = DOES_NOT_HOLD) -> None:
        super().__init__(words)
        self.words = words
        self.status = status


class Unread(Ended):
    """Whoever read the result has seen enough, which ends a command with 0; one that judges goes on instead."""

    def __init__(self) -> None:
        super().__init__(status=DONE)


def misused(words: str) -> Ended:
    """The command was called in a way that cannot be meant."""
    return Ended(words, status=MISUSE)


def sentence(error: Exception) -> str:
    """An error's words with the mark that ends them."""
    words = str(error)
    return words if words.endswith((".", "?")) else f"{words}."
