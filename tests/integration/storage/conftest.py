import pytest

from tests.integration.storage.books import settled_books
from tests.integration.storage.settling import StoredLane


@pytest.fixture
def lane(connection) -> StoredLane:
    """Lane 0 of the test's database."""
    return StoredLane(connection)


@pytest.fixture
async def books(connection) -> StoredLane:
    """Two months of a small platform's lane, and a little on another one."""
    return await settled_books(connection)
