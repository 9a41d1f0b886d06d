"""Answers for the pair of servers being what tests of a failover take it for."""

import subprocess

import pytest

from tests.postgres_pair import running_pair

pytestmark = pytest.mark.slow


def test_a_failover_loses_nothing_that_was_committed() -> None:
    """One URL leads to the primary, and after its end to the promoted standby, which has all and takes more alone."""
    with running_pair() as pair:
        pair.run("CREATE TABLE told (word text)")
        pair.run("INSERT INTO told VALUES ('before')")
        assert pair.run("SELECT pg_is_in_recovery()", url=pair.standby.url) == "t"
        pair.kill_primary()
        with pytest.raises(AssertionError, match=r"read-only|hot standby|recovery"):
            pair.run("SELECT 1")
        pair.promote()
        pair.run("INSERT INTO told VALUES ('after')")
        assert pair.run("SELECT word FROM told").splitlines() == ["before", "after"]
        assert pair.run("SHOW synchronous_standby_names") == ""


def test_a_commit_waits_for_the_standby() -> None:
    """While the standby is away nothing is committed, which is what makes a failover lose nothing."""
    with running_pair() as pair:
        pair.run("CREATE TABLE told (word text)")
        pair.standby.stop()
        with pytest.raises(subprocess.TimeoutExpired):
            pair.run("INSERT INTO told VALUES ('alone')", within_s=2)
        assert pair.run("SELECT count(*) FROM told") == "0"
        pair.standby.start()
        pair.run("INSERT INTO told VALUES ('together')")
        assert "together" in pair.run("SELECT word FROM told", url=pair.standby.url)
