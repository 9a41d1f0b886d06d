"""The console script `tidings`: the commands of adapters/cli, and those that simulate.

This file answers for one name for all commands, so that no arrow of knowledge runs back from adapters to scenarios. It
must never import anything heavy: `tidings --help` answers at once.
"""

from adapters.cli.app import build, run
from scenarios import commands


def main() -> None:
    """Runs one command of `tidings` and ends the process with its status."""
    app = build()
    commands.mount(app)
    run(app)
