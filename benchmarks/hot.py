"""One merchant, or one account, for everything against as many as usual: the same mix, one after the other."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks import databases
from benchmarks.load import Load
from benchmarks.preload import preload
from benchmarks.run import BenchmarkRun, stop
from cli.embedded import settings_of
from devstack.stack import Stack

Hot = Literal["merchant", "account"]


@dataclass(frozen=True, slots=True)
class HotFigures:
    """What a run found; messages a second until the merchants' books have everything too."""

    spread_per_s: float
    hot_per_s: Mapping[Hot, float]

    def document(self) -> dict[str, float]:
        """As written with `--json`."""
        figures = {"spread_per_s": round(self.spread_per_s, 1)}
        for hot, rate in self.hot_per_s.items():
            figures |= {f"hot_{hot}_per_s": round(rate, 1), f"ratio_hot_{hot}": round(rate / self.spread_per_s, 3)}
        return figures


class HotRun(BenchmarkRun):
    """postpay alone, several times: orders spread over all accounts and merchants, then all of one of them."""

    def compare(self, hot: Sequence[Hot]) -> HotFigures:
        """Measure each; leaves nothing running. The database is larger in the later parts, to their loss.

        Raises:
            BenchmarkError, DevstackError: a part failed.
        """
        with self._fresh_stack() as stack:
            return self._compare(stack, hot)

    def _compare(self, stack: Stack, hot: Sequence[Hot]) -> HotFigures:
        settings = settings_of(stack, clock="wall")
        rates = []
        load: Load | None = None
        with self._open_for_business(settings) as (fleet, log):
            for name in ("spread", *hot):
                load = self._after(load, name)
                with self._bar(f"preload the topics, {name}", self._size.messages) as advance:
                    preload(settings, load.stream(), advance)
                rate, _, _ = self._postpay(stack, fleet, log)
                stop(fleet)
                rates.append(rate)
        asyncio.run(databases.audited(settings))
        return HotFigures(rates[0], dict(zip(hot, rates[1:], strict=True)))

    def _after(self, before: Load | None, name: str) -> Load:
        """The next part's messages. They occur after those before: else repayments of the same accounts came late."""
        load = self._load(name, self._size.messages)
        if before is not None:
            load = replace(load, spread=load.ends_at - before.ends_at)
        if name == "merchant":
            return replace(load, merchants=1)
        return replace(load, accounts=1) if name == "account" else load
