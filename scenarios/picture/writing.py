"""Pictures of runs into files."""

from collections.abc import Sequence
from pathlib import Path

from adapters.cli.ending import Ended
from scenarios.laws.evidence import Evidence
from scenarios.picture.drawing import drawn
from scenarios.picture.history import histories


def write(runs: Sequence[tuple[str, Evidence]], out: Path) -> None:
    """Draws runs, each under its title; ends the command where the file cannot be written."""
    try:
        out.write_text(drawn(histories(runs)), encoding="utf-8")
    except OSError as error:
        raise Ended(f"{out} cannot be written: {error.strerror}.") from None
