"""Buyers who act on what they are told: they pay off, ask again, appeal."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from contracts.topics import Topic
from demo.buyers import programme_of
from demo.dice import Dice
from demo.record import Record, record

Notice = dict[str, Any]

WAITING_DAYS = 60
"""docs/rules.md, Overdue: from clearing to the earliest request to unfreeze a line, where it takes one."""


class Recipients:
    """Reads the notices of all buyers; the same notice is always answered the same way.

    Answers come a day later at the earliest: people don't read at once.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.overdue: Counter[str] = Counter()
        """How often which account was told that something is overdue."""

    def answer(self, value: bytes) -> Iterator[Record]:
        """Do what the recipient of one message of `notification` does about it."""
        if not any(template in value for template in _READ):
            return  # most notices need no answer, and reading them all would take a while
        notice = json.loads(value)
        handler = _HANDLERS.get(notice["template"])
        if handler is None:
            return
        if notice["template"] == "payment_overdue":
            self.overdue[notice["recipient_id"]] += 1
        dice = Dice(self._seed, f"notice {notice['notification_id']}")
        yield from handler(notice, dice, programme_of(notice["recipient_id"], self._seed))


def _on_overdue(notice: Notice, dice: Dice, programme: str) -> Iterator[Record]:
    """Some say it was no fault of theirs; where a line is unfrozen on request only, most ask for it when they may."""
    if dice.chance(0.2):
        upheld = dice.chance(0.5)
        yield _line(
            notice,
            "appeal_decided",
            _told_at(notice) + dice.days(2, 14),
            appeal_id=f"appeal-{notice['notification_id']}",
            outcome="upheld" if upheld else "rejected",
            opinion="the bank was closed that day" if upheld else "the card was empty",
        )
    if programme == "douyin":
        if dice.chance(0.15):
            yield _line(notice, "unfreeze_requested", _told_at(notice) + dice.days(1, 40), name="-impatient")
        if dice.chance(0.8):
            yield _line(notice, "unfreeze_requested", _told_at(notice) + dice.days(WAITING_DAYS + 1, WAITING_DAYS + 9))
    elif dice.chance(0.08):
        yield _line(notice, "unfreeze_requested", _told_at(notice) + dice.days(1, 10))


def _on_unfreeze_refused(notice: Notice, dice: Dice, programme: str) -> Iterator[Record]:
    if programme == "douyin" and dice.chance(0.6):
        yield _line(notice, "unfreeze_requested", _told_at(notice) + dice.days(8, 30))


def _on_closing_refused(notice: Notice, dice: Dice, _programme: str) -> Iterator[Record]:
    """Who really wants to leave pays all and waits until no order is open any more."""
    params = notice["params"]
    asks_again_at = _told_at(notice) + (dice.days(16, 22) if params["held_minor"] else dice.days(2.5, 4))
    if params["payoff_minor"] and dice.chance(0.8):
        yield _payoff(notice, _told_at(notice) + dice.days(1, 2), params["payoff_minor"])
    if dice.chance(0.8):
        yield _line(notice, "close_requested", asks_again_at)


def _on_payoff_insufficient(notice: Notice, dice: Dice, _programme: str) -> Iterator[Record]:
    params = notice["params"]
    left_minor = params["required_minor"] - params["amount_minor"]
    if left_minor > 0 and dice.chance(0.8):
        yield _payoff(notice, _told_at(notice) + dice.days(1, 2), left_minor)


def _on_reversal(notice: Notice, dice: Dice, _programme: str) -> Iterator[Record]:
    """The money is sent again."""
    if dice.chance(0.5):
        yield _repayment(
            notice, _told_at(notice) + dice.days(1, 4), notice["params"]["amount_minor"], purpose="account"
        )


_HANDLERS: dict[str, Callable[[Notice, Dice, str], Iterator[Record]]] = {
    "payment_overdue": _on_overdue,
    "unfreeze_refused": _on_unfreeze_refused,
    "closing_refused": _on_closing_refused,
    "payoff_insufficient": _on_payoff_insufficient,
    "repayment_reversed": _on_reversal,
}
_READ = [template.encode() for template in _HANDLERS]


def _told_at(notice: Notice) -> datetime:
    return datetime.fromisoformat(notice["occurred_at"])


def _payoff(notice: Notice, paid_at: datetime, amount_minor: int) -> Record:
    return _repayment(notice, paid_at, amount_minor, purpose="payoff")


def _repayment(notice: Notice, paid_at: datetime, amount_minor: int, **fields: Any) -> Record:
    repayment_id = f"reply-{notice['notification_id']}"
    return record(
        Topic.REPAYMENT,
        notice["recipient_id"],
        f"{repayment_id}-received",
        "repayment.received",
        paid_at,
        repayment_id=repayment_id,
        amount_minor=amount_minor,
        currency="CNY",
        channel="manual",
        **fields,
    )


def _line(notice: Notice, kind: str, occurred_at: datetime, *, name: str = "", **fields: Any) -> Record:
    event_id = f"{notice['notification_id']}-{kind}{name}"
    return record(Topic.CREDIT_LINE, notice["recipient_id"], event_id, f"credit_line.{kind}", occurred_at, **fields)
