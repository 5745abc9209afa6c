"""Where docs/rules.md says how something is decided: the section for each kind of message and timer."""

from console.documents import anchor

SECTIONS: tuple[tuple[str, str], ...] = (
    ("credit_line.", "Credit line"),
    ("purchase.", "Purchase"),
    ("return.", "Return"),
    ("repayment.", "Repayment"),
    ("suspense.", "Repayment"),
    ("penalty.", "Hardship"),
    ("debt.", "Hardship"),
    ("merchant.settlement_cycle", "Settlement cycle"),
    ("merchant", "Merchant"),
    ("promotion.", "Merchant"),
    ("dispute.", "Merchant"),
    ("violation.", "Merchant"),
    ("deposit", "Deposit refund"),
    ("shop_balance.", "Shop balance"),
    ("payout.", "Payouts"),
    ("shop.", "Merchant"),
    ("clock.", "Time"),
    ("terms.", "Outcomes"),
    ("reminder", "Reminders"),
    ("trial_reminder", "Reminders"),
    ("trial_end", "Purchase"),
    ("automatic_receipt", "Purchase"),
    ("parcel_expiry", "Return"),
    ("parking_expiry", "Order of arrival"),
    ("debit", "Debits"),
    ("due_day", "Debits"),
    ("overdue", "Overdue"),
    ("penalty", "Overdue"),
    ("restore", "Credit line"),
)
"""By the beginning of a type; the first that fits."""


def rule_of(kind: str | None) -> dict[str, str] | None:
    """The section, and its anchor; None for what was not understood."""
    for beginning, section in SECTIONS:
        if kind is not None and kind.startswith(beginning):
            return {"title": section, "name": anchor(section)}
    return None
