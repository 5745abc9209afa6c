"""What must hold of every account of the model after every message."""

from datetime import datetime

from tests.property.model.facts import (
    DAY,
    PARTS,
    Facts,
    business_date,
    credit,
    is_due,
    is_in,
    is_overdue,
    midnight,
    open_amount,
    open_returns,
    owed_in_all,
    unpaid,
)


def check_account(account: Facts, now: datetime) -> None:
    """Nobody's money and no debt is left alone.

    Raises:
        AssertionError: telling what is.
    """
    for owed in account["obligations"]:
        for part in PARTS:
            assert owed["paid"][part] >= 0 <= unpaid(owed, part), f"{part} of {owed}"
        logged = sum(each["amount"] for each in owed["payments"] if each["part"] == "principal")
        assert logged == owed["paid"]["principal"], f"payments by their instants come to {logged}: {owed}"
        assert sum(by for _, by in owed["changes"]) == owed["principal"], f"changes of the principal: {owed}"
        if is_due(owed, now) and not open_returns(account, owed["order"] or {}):
            assert _is_looked_after(account, owed, now), f"due, and nobody asks for it: {owed}"
            is_late = max(midnight(owed["due_on"] + DAY), owed["not_overdue_before"]) <= now
            assert not is_late or is_overdue(owed), f"open past its due date, and nobody looks after it: {owed}"
    assert credit(account) >= 0
    assert not (credit(account) and any(is_due(owed, now) for owed in account["obligations"])), "credit while due"
    assert not credit(account) or owed_in_all(account) or account["credit_rests"], "credit while nothing is owed"
    assert 0 <= account["recovered"] <= account["charged_off"]


def _is_looked_after(account: Facts, owed: Facts, now: datetime) -> bool:
    """A requested debit or a pending retry asks for it in full, its series is exhausted, or the next 00:00 is awaited.

    Penalties wait while principal is asked for.
    """
    standing = [debit for debit in account["debits"] if debit["status"] == "requested" and not debit["unanswered"]]
    asked = sum(sum(parts.values()) for debit in standing for each, parts in debit["asks"] if each is owed)
    wanted = open_amount(owed) if not unpaid(owed, "principal") else unpaid(owed, "fee") + unpaid(owed, "principal")
    waits = any(debit["retry_at"] is not None and is_in(owed, debit["goes_to"]) for debit in account["debits"])
    awaits = not owed["debit_done"] and owed["debit_on"] <= business_date(now) + DAY
    return asked >= wanted or waits or owed["exhausted"] or awaits
