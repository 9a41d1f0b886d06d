"""Answers for no file naming the machine that it was written on, or the place that packages came from.

It must never name such a place itself, not even as a sample.
"""

import re
from collections.abc import Iterator
from typing import Final

# A rooted path into somebody's own rooms; `/v1/home` or `docs/home/` is none.
_OWN_ROOMS: Final = r"/(?<![\w.~/:}-]/)(?:home|Users|root|work|opt|tmp|mnt|media|private|workspaces?)/[\w.@-]"
_WINDOWS_ROOMS: Final = r"\b[A-Z]:\\\\?Users\\"
# `--no-emit-index-url` says that none shall be written, so it is the one form that may stand.
_INDEX_OPTION: Final = r"(?<!no-emit-)(?<![a-z])(?:index[-_]url|find[-_]links)(?![a-z])"
_INDEX_HOST: Final = r"\b(?:pypi|pythonhosted)\.(?:org|python)\b|https?://[^\s\"'<>]*/simple\b"

SUSPECTS: Final = {
    "a path of a developer's machine": re.compile(f"{_OWN_ROOMS}|{_WINDOWS_ROOMS}"),
    "an option that names a package index": re.compile(_INDEX_OPTION, re.IGNORECASE),
    "the host of a package index": re.compile(_INDEX_HOST, re.IGNORECASE),
}


def no_place_of_our_own(path: str, text: str) -> Iterator[str]:
    """Each line of a text that holds a path of a machine or the address of a package index."""
    # Most texts hold none at all, which one search of the whole shows sooner than a search of each line.
    suspects = [(what, pattern) for what, pattern in SUSPECTS.items() if pattern.search(text)]
    for number, line in enumerate(text.splitlines() if suspects else (), start=1):
        for what, pattern in suspects:
            if found := pattern.search(line):
                yield f"{path}:{number}: {what}: {found.group()}"
