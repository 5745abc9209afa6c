from tests.integration.oldest_postgres.conftest import OLDEST


async def test_these_tests_run_on_the_oldest_version_that_is_promised(connection):
    assert await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000") == OLDEST
