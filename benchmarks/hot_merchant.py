"""One merchant for everything against as many as usual: the same messages, on one stack after one another."""

import asyncio
from dataclasses import dataclass, replace

from benchmarks import databases
from benchmarks.preload import preload
from benchmarks.run import BenchmarkRun, stop
from cli.embedded import settings_of
from devstack.stack import Stack


@dataclass(frozen=True, slots=True)
class HotMerchantFigures:
    """What a run found; messages a second until the merchants' books have everything too."""

    spread_per_s: float
    hot_merchant_per_s: float

    def document(self) -> dict[str, float]:
        """As written with `--json`."""
        return {
            "spread_per_s": round(self.spread_per_s, 1),
            "hot_merchant_per_s": round(self.hot_merchant_per_s, 1),
            "ratio_hot_merchant": round(self.hot_merchant_per_s / self.spread_per_s, 3),
        }


class HotMerchantRun(BenchmarkRun):
    """postpay alone, twice: orders spread over all merchants, then all of one merchant, by the same accounts."""

    def compare(self) -> HotMerchantFigures:
        """Measure both; leaves nothing running. The database is larger in the second part, to the hot one's loss.

        Raises:
            BenchmarkError, DevstackError: a part failed.
        """
        with self._fresh_stack() as stack:
            return self._compare(stack)

    def _compare(self, stack: Stack) -> HotMerchantFigures:
        settings = settings_of(stack, clock="wall")
        rates: list[float] = []
        with self._open_for_business(settings) as (fleet, log):
            for name, merchants in (("spread", self._size.merchants), ("hot", 1)):
                load = replace(self._load(name, self._size.messages), merchants=merchants)
                with self._bar(f"preload the topics, {name}", self._size.messages) as advance:
                    preload(settings, load.stream(), advance)
                rate, _, _ = self._postpay(stack, fleet, log)
                stop(fleet)
                rates.append(rate)
        asyncio.run(databases.audited(settings))
        spread_per_s, hot_per_s = rates
        return HotMerchantFigures(spread_per_s, hot_per_s)
