"""Between the classes of settlement/entities.py and their tables: columns are fields, led by the lane."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from operator import attrgetter
from typing import Any, cast, get_origin, get_type_hints

from settlement.entities import (
    Account,
    Debit,
    Deposit,
    DepositRefund,
    Entity,
    Merchant,
    MerchantBalance,
    MerchantCase,
    Obligation,
    Order,
    Repayment,
    Return,
)
from settlement.party import PartyKind
from storage.database import Row


@dataclass(frozen=True, slots=True)
class Table:
    """The table of one class. `columns` are its fields, without the lane."""

    kind: type[Entity]
    name: str
    party_kind: PartyKind
    party_column: str
    columns: tuple[str, ...]
    enums: tuple[tuple[int, Mapping[str, Enum]], ...]
    lists: tuple[int, ...]
    values: Callable[[Entity], tuple[Any, ...]]

    def entity(self, row: Row) -> Entity:
        """Make the entity of a row that has at least the table's columns."""
        values = [row[name] for name in self.columns]
        for index, members in self.enums:
            values[index] = members[values[index]]
        for index in self.lists:
            values[index] = tuple(values[index])
        return self.kind(*values)

    def arrays(self, entities: Iterable[Entity]) -> list[Sequence[Any]]:
        """One array per column, for `unnest`. Lists become literals, because arrays of arrays must be rectangular."""
        columns: list[Sequence[Any]] = list(zip(*map(self.values, entities), strict=True))
        for index in self.lists:
            columns[index] = [array_literal(each) for each in columns[index]]
        return columns


def array_literal(texts: Sequence[str]) -> str:
    """Write texts as Postgres reads a text[]."""
    if not texts:
        return "{}"
    escaped = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(escaped) + "}"


def _table(kind: type[Entity], name: str, party_kind: PartyKind) -> Table:
    hints = get_type_hints(kind)
    columns = tuple(each.name for each in fields(kind))
    enums = tuple(
        (index, {member.value: member for member in hints[column]})
        for index, column in enumerate(columns)
        if isinstance(hints[column], type) and issubclass(hints[column], Enum)
    )
    lists = tuple(index for index, column in enumerate(columns) if get_origin(hints[column]) is tuple)
    values = cast("Callable[[Entity], tuple[Any, ...]]", attrgetter(*columns))
    return Table(kind, name, party_kind, columns[0], columns, enums, lists, values)


TABLES: Mapping[type[Entity], Table] = {
    table.kind: table
    for table in (
        _table(Account, "account", PartyKind.ACCOUNT),
        _table(Order, "purchase_order", PartyKind.ACCOUNT),
        _table(Obligation, "obligation", PartyKind.ACCOUNT),
        _table(Debit, "debit", PartyKind.ACCOUNT),
        _table(Return, "return_request", PartyKind.ACCOUNT),
        _table(Repayment, "repayment", PartyKind.ACCOUNT),
        _table(Merchant, "merchant", PartyKind.MERCHANT),
        _table(MerchantBalance, "merchant_balance", PartyKind.MERCHANT),
        _table(MerchantCase, "merchant_case", PartyKind.MERCHANT),
        _table(Deposit, "deposit", PartyKind.MERCHANT),
        _table(DepositRefund, "deposit_refund", PartyKind.MERCHANT),
    )
}
"""Every entity class and its table, in the order they are written."""
