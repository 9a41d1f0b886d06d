"""Where the log lies, from a URL or a path.

This file answers for one reading of `sqlite:///...`: what follows the third slash is the path, so an absolute one has
four, as in SQLAlchemy and its kin. It must never open anything.
"""

from pathlib import Path
from typing import Final

DEFAULT_NAME: Final = "tidings.db"
_SCHEME: Final = "sqlite:///"
EXPECTED: Final = '"sqlite:///tidings.db" (below the data directory) or "sqlite:////srv/tidings.db" (absolute)'


def path_of(url: str, data: Path) -> Path | None:
    """The file that a store URL names, None where it is no URL of an embedded log. Relative paths lie below `data`."""
    name = url.removeprefix(_SCHEME)
    if name == url or not name or name.endswith("/") or name == ":memory:" or set(name) & {"?", "#", "\0"}:
        return None
    return data / name
