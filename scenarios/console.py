"""All commands of `tidings`: those of adapters/cli, and those that simulate.

This file answers for one name for all of them, so that no arrow of knowledge runs back from adapters to scenarios. It
must never import anything heavy: `tidings --help` answers at once.
"""

import typer

from adapters.cli.app import build, run
from scenarios import commands
from scenarios.capsules import commands as capsules
from scenarios.whatif import commands as whatif


def whole() -> typer.Typer:
    """Every command there is."""
    app = build()
    for module in (commands, capsules, whatif):
        module.mount(app)
    return app


def run_whole() -> None:
    """Runs one command and ends the process with its status."""
    run(whole())
