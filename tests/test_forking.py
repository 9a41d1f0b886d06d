"""Answers for forked programs being what a start from the beginning is, so that other tests may rely on them."""

import subprocess
from pathlib import Path

import pytest

from tests.edges.cli.processes import PATIENCE_S, PROGRAM, clean, tidings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--version",), {}),
        (("check", "--json"), {"TIDINGS_LANES__MAIL__CHANNEL": "email", "TIDINGS_LANES__MAIL__PROVIDER": "sandbox"}),
        (("check", "--data", "there"), {"TIDINGS_SERVER__LISTEN": "nowhere"}),
        (("list", "--frobnicate"), {}),
    ],
)
def test_a_forked_program_is_the_program(arguments: tuple[str, ...], environ: dict[str, str], tmp_path: Path) -> None:
    """It prints, complains and ends as one that was started by its name, in its own directory and environment."""
    started = subprocess.run(
        [PROGRAM, *arguments],
        cwd=tmp_path,
        env=clean(environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    forked = tidings(*arguments, cwd=tmp_path, environ=environ)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
