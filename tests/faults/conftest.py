"""Servers that a fault test may pause, kill and set up otherwise without disturbing any other test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devstack import kafka
from devstack import stack as devstack
from devstack.stack import Stack


@pytest.fixture(scope="module")
async def own_stack(tmp_path_factory) -> AsyncIterator[Stack]:
    """Kafka and Postgres of one module's own."""
    directory = Path(tmp_path_factory.mktemp("stack"))
    try:
        yield await asyncio.to_thread(devstack.up, directory)
    finally:
        await asyncio.to_thread(devstack.down, directory, wipe=True)


AUTHORIZER = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


@pytest.fixture(scope="module")
async def guarded_stack(tmp_path_factory) -> AsyncIterator[Stack]:
    """The same, with a broker that keeps rights; everybody has all of them until a test takes some."""
    directory = Path(tmp_path_factory.mktemp("guarded"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kafka, "SETTINGS", kafka.SETTINGS + AUTHORIZER)
        try:
            yield await asyncio.to_thread(devstack.up, directory)
        finally:
            await asyncio.to_thread(devstack.down, directory, wipe=True)
