"""A database distributed over the nodes of Citus, where POSTPAY_TEST_CITUS_DSN names one to use.

It is a superuser's address of the coordinator, with the extension and the nodes added; its schema `postpay` is dropped.
"""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest

from storage.database import connect

NAMED = "POSTPAY_TEST_CITUS_DSN"
LANES = 4


@pytest.fixture
async def citus() -> str:
    """The address of a database that holds nothing of postpay."""
    dsn = os.environ.get(NAMED)
    if dsn is None:
        pytest.skip(f"not run on Citus: {NAMED} names no coordinator")
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP SCHEMA IF EXISTS postpay CASCADE")
    await connection.close()
    return dsn


@pytest.fixture
async def coordinator(citus) -> AsyncIterator[asyncpg.Connection]:
    """A session there, set up as a worker's."""
    opened = await connect(citus, application_name="test")
    yield opened
    await opened.close()
