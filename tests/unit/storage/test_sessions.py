import re
from pathlib import Path

import asyncpg
import pytest

from storage.sessions import one_by_one

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("dsn", "each"),
    [
        ("postgresql://db/postpay", ["postgresql://db/postpay"]),
        ("postgresql:///postpay", ["postgresql:///postpay"]),
        (
            "postgresql://me:s%40fe@db-1:5433,db-2/postpay?sslmode=require",
            [
                "postgresql://me:s%40fe@db-1:5433/postpay?sslmode=require",
                "postgresql://me:s%40fe@db-2/postpay?sslmode=require",
            ],
        ),
        ("postgresql://[::1]:5432,[::2]:5433/x", ["postgresql://[::1]:5432/x", "postgresql://[::2]:5433/x"]),
        (
            "postgresql:///x?host=/run/pg,db-2&port=1,2&sslmode=prefer",
            [
                "postgresql:///x?host=%2Frun%2Fpg&port=1&sslmode=prefer",
                "postgresql:///x?host=db-2&port=2&sslmode=prefer",
            ],
        ),
        ("postgresql:///x?host=a,b&port=7", ["postgresql:///x?host=a&port=7", "postgresql:///x?host=b&port=7"]),
    ],
)
def test_a_dsn_of_several_hosts_is_one_for_each(dsn, each):
    assert one_by_one(dsn) == each


def test_ports_must_fit_the_hosts():
    with pytest.raises(asyncpg.ClientConfigurationError, match="one for each of 3 hosts, got 2"):
        one_by_one("postgresql:///x?host=a,b,c&port=1,2")


def test_connections_of_a_pool_are_borrowed_in_one_way_only():
    # The other way a session that is of no use would go back to the pool, for somebody else to fail on.
    places = [
        file.relative_to(ROOT).as_posix()
        for folder in ("workers", "storage", "cli")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"pool\.(acquire|fetch|execute)", file.read_text())
    ]
    assert places == ["storage/database.py"]
