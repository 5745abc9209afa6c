import asyncio
import json
import re

import aiohttp
import asyncpg
import pytest

from tests.command import DEADLINE_S
from workers.lanes.telling import DEAD_LETTER


@pytest.fixture
async def get(shop):
    async with aiohttp.ClientSession(shop.worker.url) as session:

        async def read(path):
            async with session.get(path) as response:
                return response.status, await response.text()

        yield read


async def test_livez_says_that_the_process_lives(get):
    assert await get("/livez") == (200, '{"alive": true}')


async def test_readyz_says_that_the_worker_is_ready_and_what_its_lanes_do(get, soon):
    async def ready():
        nonlocal body
        status, body = await get("/readyz")
        return status == 200

    body = ""
    # It looks at its servers now and then, and may have done so last before they or it were ready.
    await soon(ready, state=lambda: body)
    assert json.loads(body) == {"ready": True, "not_ready": [], "lanes": {"0": "running", "1": "running"}}


async def test_nothing_else_is_served(get):
    assert (await get("/"))[0] == 404
    assert (await get("/stats/"))[0] == 404


async def test_metrics_tell_what_was_settled_and_what_is_left(get, shop, soon):
    group, prefix = shop.platform.settings.group, shop.platform.prefix
    samples, text = {}, ""

    async def scraped():
        nonlocal samples, text
        _, text = await get("/metrics")
        samples = dict(re.findall(r"^(postpay_[a-z_]+(?:\{.*?\})?) (\S+)$", text, flags=re.MULTILINE))
        # The database's figures are read now and then, and may be those of before the last batch.
        letters = [float(number) for sample, number in samples.items() if sample.startswith("postpay_dead_letters{")]
        return sum(letters) == value("postpay_ready") == 1

    def value(name, **labels):
        (found,) = [
            float(number)
            for sample, number in samples.items()
            if sample.startswith(name + "{") and all(f'{key}="{text}"' in sample for key, text in labels.items())
        ]
        return found

    await soon(scraped, state=lambda: text)
    assert value("postpay_inputs_total", group=group, type="purchase.placed", outcome="declined") == 1
    assert value("postpay_lag_records", topic=f"{prefix}purchase", partition="0") == 0
    assert value("postpay_lane_state", lane="1", state="running") == 1
    assert value("postpay_lane_epoch", lane="0") == 1
    assert value("postpay_outbox_backlog_batches", lane="0") == 0
    assert value("postpay_database_up") == value("postpay_broker_up") == value("postpay_ready") == 1
    assert value("postpay_watchdog_age_seconds") < 30
    assert {value("postpay_dead_letters", lane=lane) for lane in "01"} == {0, 1}
    assert sum(value("postpay_parked_inputs", lane=lane) for lane in "01") == 1
    assert value("postpay_batch_duration_seconds_count") >= 2
    assert 'postpay_batch_records_bucket{group="' + group in text


async def test_metrics_name_no_account_merchant_order_or_event(get):
    _, text = await get("/metrics")
    assert not re.search(r'"(a-1|m-1|o-1|p-e1)"', text)


async def test_the_workers_log_names_no_account_merchant_or_order(shop):
    assert not re.search(r'"(a-1|m-1|o-1)"', shop.worker.log.read_text())


async def test_every_line_of_the_workers_log_is_json(shop):
    for line in shop.worker.log.read_text().splitlines():
        assert {"event", "level", "logger", "timestamp"} <= json.loads(line).keys()


async def test_the_workers_log_tells_of_the_dead_letter_once_and_of_no_step_of_its_libraries(shop):
    lines = [json.loads(line) for line in shop.worker.log.read_text().splitlines()]
    (letter,) = [line for line in lines if line["event"] == DEAD_LETTER]
    assert (letter["topic"], letter["type"], letter["reason"]) == ("purchase", "unknown", "nul")
    assert [line["event"] for line in lines if not line["logger"].startswith("workers.")] == []
    assert [line["event"] for line in lines if "Starting..." in line["event"]] == []


async def test_a_port_that_is_taken_is_one_line_and_2(shop, tmp_path):
    log = tmp_path / "second.log"
    second = shop.postpay.start("worker", log=log, POSTPAY_OPS__PORT=shop.worker.url.rpartition(":")[2])
    try:
        assert await asyncio.to_thread(second.wait, DEADLINE_S) == 2
    finally:
        second.kill()
    assert "POSTPAY_OPS__PORT: expected an address that is free, got 127.0.0.1:" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture
async def refused(fresh, stack):
    """Lets nobody into the test's database any more, or everybody again; sessions end."""
    name = fresh.settings.postgres.dsn.rpartition("/")[2]
    server = await asyncpg.connect(stack.dsn)

    async def refuse(*, everybody):
        await server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {not everybody}')
        await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)

    yield refuse
    await server.close()


async def test_a_worker_whose_database_is_away_is_alive_and_says_why_it_is_not_ready(fresh, refused, soon):
    worker = fresh.worker(POSTPAY_OPS__REFRESH_S="0.2")
    await soon(lambda: worker.url, 40, worker.tail)
    async with aiohttp.ClientSession(worker.url) as session:

        async def ready():
            try:
                async with session.get("/readyz") as response:
                    return (await response.json())["ready"]
            except aiohttp.ClientError:
                return None

        async def says_the_database_is_away():
            async with session.get("/readyz") as response:
                away = "the database does not answer" in str((await response.json())["not_ready"])
                return away and response.status == 503

        await soon(lambda: _is(ready, wanted=True), 40, worker.tail)
        await refused(everybody=True)
        # A lane may find out first, and says so in its own words.
        await soon(lambda: _is(says_the_database_is_away, wanted=True), 40, worker.tail)
        async with session.get("/livez") as response:
            assert response.status == 200
        await refused(everybody=False)
        await soon(lambda: _is(ready, wanted=True), 40, worker.tail)


async def _is(ask, *, wanted):
    return await ask() is wanted
