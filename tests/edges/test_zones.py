"""Answers for which names are time zones: those of places and offsets, whatever else lies in the database's folder."""

from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo, reset_tzpath

import pytest

from adapters.zones import zone_named


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database of its own with everything that distributions put into theirs."""
    folder = tmp_path / "zoneinfo"
    zone = (files("tzdata") / "zoneinfo" / "Europe" / "Berlin").read_bytes()
    for name in ("Factory", "localtime", "posixrules", "right/Europe/Berlin", "posix/Europe/Berlin", "Europe/Berlin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(zone)
    return folder


@pytest.mark.parametrize(
    "name", ["Factory", "localtime", "posixrules", "right/Europe/Berlin", "posix/Europe/Berlin", "Europe", "Mars/Base"]
)
def test_what_is_no_place_is_no_zone(name: str, database: Path) -> None:
    """The machine's own setting and copies of zones lie in the database too, and yet nobody lives there."""
    reset_tzpath(to=[str(database)])
    try:
        ZoneInfo.clear_cache()
        zone_named.cache_clear()
        assert ZoneInfo.no_cache("right/Europe/Berlin").key == "right/Europe/Berlin"
        assert zone_named(name) is None
    finally:
        reset_tzpath()
        ZoneInfo.clear_cache()
        zone_named.cache_clear()


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "EST5EDT"])
def test_places_and_offsets_are_zones(name: str) -> None:
    """Every name that calendars and phones send is found."""
    found = zone_named(name)
    assert found is not None
    assert found.key == name
