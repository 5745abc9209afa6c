"""The version of the rules, which the lane-log records with every batch.

Raised whenever code decides differently than before: with another outcome, reason, amount, date, id or text of a notice
on what comes. A replay by another version may come to something else; one by the same version must not. New terms are
no new version, for the lane-log records their digest as well. `tests/property/test_golden.py` fails when the rules
decide differently and this was left as it was.
"""

RULES_VERSION = 3
