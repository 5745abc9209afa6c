"""How often Python looks for reference cycles, in processes that decide batches."""

import gc

COLLECT_AFTER = (500_000, 50, 1000)
"""Python looks for reference cycles after 700 new objects; a batch makes some 100,000, none of them in a cycle.

With the stock thresholds that took 40 % of the worker's time, after 100,000 objects still 8 % (measured).
"""


def collect_seldom() -> None:
    """Leave out what is there already, and look seldom for the rest."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
