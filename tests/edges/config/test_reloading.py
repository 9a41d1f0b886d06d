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
        ("SERVER__LISTEN", "127.0.0.1:8421", ["server.listen"]),
        ("SERVER__PUBLIC_URL", "https://tidings.example.com", ["server.public_url"]),
        ("STORE__URL", "sqlite:///other.db", ["store.url"]),
        ("STORE__INSTALLATION_KEY", "ab" * 32, ["store.installation_key"]),
        ("STORE__DEDUP_FOR", "40d", ["store.dedup_for"]),
        ("BOUNDS__BODY_MAX", "2MiB", ["bounds.body_max"]),
        ("BOUNDS__AWAKE_MAX", "20000", ["[bounds]"]),
        ("POLICIES__EMAIL__LIMITS__LANE", "5/min", []),
    ],
)
def test_what_needs_a_restart_is_told(variable: str, value: str, told: list[str]) -> None:
    """Address, store, keys and bounds are told of as the file calls them; policies are not, since they are taken up."""
    assert needs_restart(_config(), _config(**{variable: value})) == told
    assert needs_restart(_config(**{variable: value}), _config(**{variable: value})) == []
