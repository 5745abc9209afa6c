import pytest

from tests.integration.storage.settling import StoredLane


@pytest.fixture
def lane(connection) -> StoredLane:
    """Lane 0 of the test's database."""
    return StoredLane(connection)
