import pytest

from tests.integration.streams.test_one_purchase import (
    test_one_purchase_goes_from_topic_to_table_to_notification as test_one_purchase_goes_its_way_on_this_server,
)
from tests.platform import platform

__all__ = ["test_one_purchase_goes_its_way_on_this_server"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
async def made(stack, postgres, tmp_path):
    async with platform(stack.bootstrap, postgres.dsn, tmp_path) as platform_:
        yield platform_
