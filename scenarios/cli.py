"""The console script `tidings`.

This file answers for being nothing to read: each process that `verify`, `replay` or `simulate` shares its work with
reads it again before it begins, and runs no command. It must never import a command before it is to run.
"""


def main() -> None:
    """Runs one command of `tidings` and ends the process with its status."""
    from scenarios.console import run_whole  # noqa: PLC0415  # See above.

    run_whole()
