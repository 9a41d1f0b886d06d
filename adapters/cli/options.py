"""The options that several commands share, under one name and with one explanation each.

This file must never import anything heavy: it is read before any command runs.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

DATA: Final = Path("data")

Url = Annotated[
    str | None, typer.Option("--url", envvar="TIDINGS_URL", help="Where the daemon is. Default: http://127.0.0.1:8420")
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="TIDINGS_KEY", help="API key. Default: admin.key in --data, for a daemon on this machine"
    ),
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", help="For which tenant a key for all tenants acts; '*' is all of them")
]
Data = Annotated[Path, typer.Option("--data", help="Data directory", file_okay=False)]
Store = Annotated[
    str | None,
    typer.Option(
        "--store", help="The log itself: a file, or a URL as in the configuration. Default: tidings.db in --data"
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Configuration file", exists=True, dir_okay=False, readable=True)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
