import pytest

from settlement.messages import LineFrozen, PurchaseReceived
from tests.integration.storage.books import settled_books
from tests.integration.storage.settling import StoredLane, account
from tests.unit.settlement.builders import opened, placed, returned


@pytest.fixture
def lane(connection) -> StoredLane:
    """Lane 0 of the test's database, settled as small batches are."""
    connection.sends_together = True
    return StoredLane(connection)


@pytest.fixture
async def buyer(lane) -> StoredLane:
    """The same with a buyer of two orders, who sends one of them back and whose line is frozen."""
    await lane.send(
        account("buyer"),
        opened("tmall"),
        placed("b-first", 10_000),
        placed("a-second", 3_000, days=14),
        PurchaseReceived("b-first"),
        returned(4_000, order_id="b-first"),
        LineFrozen("security"),
    )
    return lane


@pytest.fixture
async def books(connection) -> StoredLane:
    """Two months of a small platform's lane, and a little on another one."""
    return await settled_books(connection)
