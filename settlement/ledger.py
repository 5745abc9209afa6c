"""Double entry in two books, one movement a row.

A posting moves an amount from the ledger account it credits to the one it debits, so debits equal credits by
construction, in every entry and in every book. Balances are kept as positive numbers on their account's normal side.

Source: docs/rules.md, Ledger.
"""

from enum import StrEnum
from typing import Any, Self

from settlement.party import PartyKind
from settlement.values import dataclass


class Book(StrEnum):
    """The two books: real money, and the credit limit."""

    MONEY = "money"
    LIMIT = "limit"


class Side(StrEnum):
    """The two sides of an entry."""

    DEBIT = "debit"
    CREDIT = "credit"


class LedgerAccount(StrEnum):
    """The chart of accounts: name, book, normal side, whose it is, and where its balance is kept.

    Those of a party exist once per party; the balance is a field of `entities.Account` or `entities.MerchantBalance`.
    The platform's own (of nobody) exist once per lane, and are shown and audited as their sum.
    """

    book: Book
    normal_side: Side
    """The side on which it grows; the balance is positive there."""
    owner: PartyKind | None
    balance: str | None

    def __new__(cls, name: str, *about: Any) -> Self:
        """Make an account of all that must be said of it; looking one up takes the name alone."""
        account = str.__new__(cls, name)
        try:
            account._value_, (account.book, account.normal_side, account.owner, account.balance) = name, about
        except ValueError:
            msg = f"ledger account {name}: expected its book, normal side, owner and field of balance, got {about}"
            raise TypeError(msg) from None
        return account

    def moved_by(self, side: Side, amount_minor: int) -> int:
        """How far an amount that is entered on a side moves its balance."""
        return amount_minor if side is self.normal_side else -amount_minor

    RECEIVABLE = "receivable", Book.MONEY, Side.DEBIT, PartyKind.ACCOUNT, "receivable_minor"
    FEE_RECEIVABLE = "fee_receivable", Book.MONEY, Side.DEBIT, PartyKind.ACCOUNT, "fee_receivable_minor"
    PENALTY_RECEIVABLE = "penalty_receivable", Book.MONEY, Side.DEBIT, PartyKind.ACCOUNT, "penalty_receivable_minor"
    CHARGE_OFF_LOSS = "charge_off_loss", Book.MONEY, Side.DEBIT, PartyKind.ACCOUNT, "charged_off_minor"
    RECOVERY_INCOME = "recovery_income", Book.MONEY, Side.CREDIT, PartyKind.ACCOUNT, "recovered_minor"
    CUSTOMER_CREDIT = "customer_credit", Book.MONEY, Side.CREDIT, PartyKind.ACCOUNT, "customer_credit_minor"
    GATEWAY_CLEARING = "gateway_clearing", Book.MONEY, Side.DEBIT, None, None
    PAYOUT_CLEARING = "payout_clearing", Book.MONEY, Side.CREDIT, None, None
    MERCHANT_TRANSIT = "merchant_transit", Book.MONEY, Side.CREDIT, None, None
    SUSPENSE = "suspense", Book.MONEY, Side.CREDIT, None, None
    MERCHANT_PAYABLE = "merchant_payable", Book.MONEY, Side.CREDIT, PartyKind.MERCHANT, "payable_minor"
    DEPOSIT = "deposit", Book.MONEY, Side.CREDIT, PartyKind.MERCHANT, "deposit_minor"
    SHOP_BALANCE = "shop_balance", Book.MONEY, Side.CREDIT, PartyKind.MERCHANT, "shop_balance_minor"
    FEE_INCOME = "fee_income", Book.MONEY, Side.CREDIT, None, None
    PENALTY_INCOME = "penalty_income", Book.MONEY, Side.CREDIT, None, None
    LIMIT_GRANTED = "limit_granted", Book.LIMIT, Side.CREDIT, PartyKind.ACCOUNT, "limit_minor"
    LIMIT_AVAILABLE = "limit_available", Book.LIMIT, Side.DEBIT, PartyKind.ACCOUNT, "available_minor"
    LIMIT_HELD = "limit_held", Book.LIMIT, Side.DEBIT, PartyKind.ACCOUNT, "held_minor"
    LIMIT_USED = "limit_used", Book.LIMIT, Side.DEBIT, PartyKind.ACCOUNT, "used_minor"


def owned_by(owner: PartyKind | None) -> list[LedgerAccount]:
    """The accounts of each buyer, of each merchant or, of None, the platform's own."""
    return [account for account in LedgerAccount if account.owner is owner]


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement between two ledger accounts of one book: `debit` receives what `credit` gives.

    Accounts of a party mean those of the party whose decision it is; amounts are minor units, always > 0.
    """

    debit: LedgerAccount
    credit: LedgerAccount
    currency: str
    amount_minor: int
