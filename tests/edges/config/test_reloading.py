"""Answers for a reload telling which of its changes only a restart takes up."""

from pathlib import Path

import pytest

from adapters.config.loading import Config, load
from adapters.reloading import needs_restart


def _config(**environ: str) -> Config:
    return load(None, data=Path("data"), environ={f"TIDINGS_{name}": value for name, value in environ.items()})


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SERVER__LISTEN", "127.0.0.1:8421", ["listen"]),
        ("SERVER__PUBLIC_URL", "https://tidings.example.com", ["public_url"]),
        ("STORE__URL", "sqlite:///other.db", ["store"]),
        ("STORE__INSTALLATION_KEY", "ab" * 32, ["installation_key"]),
        ("BOUNDS__BODY_MAX", "2MiB", ["body_bytes_max"]),
        ("BOUNDS__AWAKE_MAX", "20000", ["[bounds]"]),
        ("POLICIES__EMAIL__LIMITS__LANE", "5/min", []),
    ],
)
def test_what_needs_a_restart_is_told(variable: str, value: str, told: list[str]) -> None:
    """Address, store, keys and bounds are told of when they change; policies are not, since they are taken up."""
    assert needs_restart(_config(), _config(**{variable: value})) == told
    assert needs_restart(_config(**{variable: value}), _config(**{variable: value})) == []
