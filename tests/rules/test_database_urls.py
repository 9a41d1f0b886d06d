"""URLs of databases: lists of hosts are read alike by every Python, addresses in brackets among them."""

import pytest

from eventstore.postgres.connection import place_of
from eventstore.postgres.urls import for_driver, host_and_port, hosts_of, parted, with_database

LISTED = "postgresql://u:p%40ss@one,two:6432,[::1]:7000/db?sslmode=require"


def test_each_host_of_a_list_is_found() -> None:
    """With ports and brackets, from the authority or the query; without either there is one, the driver's own."""
    assert [host_and_port(host) for host in hosts_of(LISTED)] == [("one", 5432), ("two", 6432), ("::1", 7000)]
    assert hosts_of("postgresql:///db?host=/run/pg") == ["/run/pg"]
    assert hosts_of("postgresql:///db") == [""]
    assert parted(LISTED)[0] == "u:p%40ss@one,two:6432,[::1]:7000"


def test_the_driver_is_told_apart_what_it_could_not_split() -> None:
    """A list with an address in brackets; whatever it can read by itself is left to it."""
    assert for_driver(LISTED) == (
        "postgresql:///db?sslmode=require",
        {"user": "u", "password": "p@ss", "host": ["one", "two", "::1"], "port": [5432, 6432, 7000]},
    )
    assert for_driver("postgresql://[::1]/db") == ("postgresql://[::1]/db", {})
    assert for_driver("postgresql://one,two/db") == ("postgresql://one,two/db", {})


def test_another_database_keeps_everything_else() -> None:
    """Hosts, user, password and options stay."""
    assert with_database(LISTED, "other") == LISTED.replace("/db", "/other")
    assert with_database("postgres://h", "other") == "postgres://h/other"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (LISTED, "db on one or two:6432 or [::1]:7000"),
        ("postgresql://u:hunter2@[::1]:7000/db", "db on ::1:7000"),
        ("postgresql://u:hunter2@h/db", "db on h"),
        ("postgresql:///db?host=/run/pg", "db on /run/pg"),
        ("postgresql://", "(default) on localhost"),
    ],
)
def test_a_place_is_told_without_its_secrets(url: str, place: str) -> None:
    """The name of the database and where it is, and nothing of who asks."""
    assert place_of(url) == f"the PostgreSQL database {place}"
