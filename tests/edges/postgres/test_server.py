"""Answers for the server that tests run on being what they take it for."""

import pytest

from tests.postgres_server import Server


@pytest.mark.slow
def test_each_test_has_a_database_of_its_own(postgres_server: Server) -> None:
    """What one database holds is not in another, and a database is gone when its test is over."""
    with postgres_server.fresh() as one, postgres_server.fresh() as other:
        postgres_server.run("CREATE TABLE here (n int)", url=one)
        assert postgres_server.run("SELECT to_regclass('here')", url=other) == ""
        assert postgres_server.run("SELECT to_regclass('here')", url=one) == "here"
    left = postgres_server.run("SELECT datname FROM pg_database")
    assert not {url.rpartition("/")[2] for url in (one, other)} & set(left.splitlines())
