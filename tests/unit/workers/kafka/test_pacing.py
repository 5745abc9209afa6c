"""How far apart fetches are, and what becomes of one that waits."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from workers.kafka import pacing
from workers.kafka.pacing import PacedFetches

LONG_S = 60.0


def paced_fetcher(*, brings):
    """A fetcher as PacedFetches sees it, which brings so many partitions in each fetch."""
    records = {}

    async def fetch(_assignment, node_id, _request):
        records.update({(node_id, number): "records" for number in range(brings)})
        return brings > 0

    waiter = asyncio.get_running_loop().create_future()
    fetcher = SimpleNamespace(
        _proc_fetch_request=fetch, _records=records, _fetch_waiters={waiter}, _notify=lambda told: told.set_result(None)
    )
    return fetcher, PacedFetches(fetcher), waiter


async def seconds_of(fetcher):
    began = time.monotonic()
    told = await fetcher._proc_fetch_request(None, 1, None)
    return time.monotonic() - began, told


@pytest.mark.parametrize(("brings", "least_s", "most_s"), [(1, 0.2, 0.4), (3, 0.6, 0.8), (50, 0.8, 1.2)])
async def test_the_more_it_brought_the_longer_the_next_fetch_waits_up_to_a_bound(monkeypatch, brings, least_s, most_s):
    monkeypatch.setattr(pacing, "PACE_S", 0.2)
    monkeypatch.setattr(pacing, "LONGEST_PACE_S", 0.8)
    fetcher, paced, waiter = paced_fetcher(brings=brings)
    waiter.add_done_callback(lambda _: paced.taken())
    waited_s, told = await seconds_of(fetcher)
    assert least_s <= waited_s
    assert waited_s < most_s or brings == 50
    assert told is False, "who waits was told already"


async def test_fetches_that_bring_nothing_at_once_keep_their_distance(monkeypatch):
    monkeypatch.setattr(pacing, "LONGEST_PACE_S", 0.3)
    fetcher, _, waiter = paced_fetcher(brings=0)
    waited_s, told = await seconds_of(fetcher)
    assert waited_s >= 0.29
    assert told is False
    assert not waiter.done()


async def test_a_fetch_waits_until_what_it_brought_is_taken_and_not_for_ever(monkeypatch):
    monkeypatch.setattr(pacing, "TAKEN_S", LONG_S)
    fetcher, paced, waiter = paced_fetcher(brings=1)
    fetching = asyncio.create_task(seconds_of(fetcher))
    await waiter
    done, _ = await asyncio.wait([fetching], timeout=0.3)
    assert not done
    paced.taken()
    _, told = await fetching
    assert told is False
    monkeypatch.setattr(pacing, "TAKEN_S", 0.01)
    fetcher, _, _ = paced_fetcher(brings=1)
    _, told = await seconds_of(fetcher)
    assert told is True, "it lies there still"


@pytest.mark.parametrize("brings", [0, 1])
async def test_a_fetch_cancelled_while_it_waits_ends_as_one_that_brought_nothing(monkeypatch, brings):
    monkeypatch.setattr(pacing, "TAKEN_S", LONG_S)
    monkeypatch.setattr(pacing, "LONGEST_PACE_S", LONG_S)
    fetcher, _, _ = paced_fetcher(brings=brings)
    waiting = asyncio.create_task(fetcher._proc_fetch_request(None, 1, None))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    waiting.cancel()
    assert await waiting is False
