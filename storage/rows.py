"""Between the classes of settlement/entities.py and their tables: columns are fields, led by the lane."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import Enum
from operator import attrgetter
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from settlement.concession import Concession
from settlement.entities import (
    Account,
    AccountPayout,
    Appeal,
    CashOut,
    Debit,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    Obligation,
    Order,
    Repayment,
    Return,
    ShopWithdrawal,
)
from settlement.entity import Entity
from settlement.shop import ShopSettings
from settlement.suspense import SuspenseEntry
from storage import arrays
from storage.arrays import Literal
from storage.database import Row, in_order


@dataclass(frozen=True, slots=True)
class Table:
    """The table of one class. `columns` are its fields, without the lane; lists of texts are JSON in the table.

    `changing_columns` are its key and what may change of it; the others stay as they were made.
    """

    kind: type[Entity]
    name: str
    party_column: str
    columns: tuple[str, ...]
    enums: tuple[tuple[int, Mapping[str, Enum]], ...]
    lists: tuple[int, ...]
    changing_columns: tuple[str, ...]
    values: Callable[[Entity], tuple[Any, ...]]
    changing: Callable[[Entity], tuple[Any, ...]]
    literals: tuple[Callable[[Sequence[Any]], Literal], ...]
    all_literals: tuple[Callable[[Sequence[Any]], Literal], ...]
    insert: str
    """Few new rows, from `all_arrays`; many are copied."""

    def entities(self, rows: Sequence[Row]) -> list[Entity]:
        """Make the entities of rows that have at least the table's columns."""
        return self.of_columns(in_order(rows, self.columns))

    def of_columns(self, contents: Iterable[tuple[Any, ...]]) -> list[Entity]:
        """Make the entities of rows that have just the table's columns, in order."""
        make = cast("Callable[..., Entity]", self.kind)
        if not self.enums and not self.lists:
            return [make(*values) for values in contents]
        return [make(*self._translated(values)) for values in contents]

    def contents(self, rows: Sequence[Row]) -> Iterable[tuple[Any, ...]]:
        """What rows say, without making entities of it: equal to the `values` of an entity that says the same."""
        contents = in_order(rows, self.columns)
        return (tuple(self._listed(values)) for values in contents) if self.lists else contents

    def entity(self, row: Row) -> Entity:
        """Make the entity of one row."""
        return self.entities([row])[0]

    def of_values(self, contents: Iterable[Sequence[Any]]) -> list[Entity]:
        """Make the entities that gave these `values`, of whose enums only the texts are left."""
        make = cast("Callable[..., Entity]", self.kind)
        made = []
        for values in contents:
            translated = list(values)
            for index, members in self.enums:
                translated[index] = members[translated[index]]
            made.append(make(*translated))
        return made

    def row(self, lane: int, entity: Entity) -> tuple[Any, ...]:
        """The entity's row for COPY, led by the lane."""
        if not self.lists:
            return (lane, *self.values(entity))
        values = list(self.values(entity))
        for index in self.lists:
            values[index] = arrays.document(values[index])
        return (lane, *values)

    def arrays(self, entities: Sequence[Entity]) -> list[Literal]:
        """One array literal per column that is in the table's UPDATE, for `unnest`."""
        columns = zip(*map(self.changing, entities), strict=True)
        return [literal(column) for literal, column in zip(self.literals, columns, strict=True)]

    def all_arrays(self, entities: Sequence[Entity]) -> list[Literal]:
        """One array literal per column, for `insert`."""
        columns = zip(*map(self.values, entities), strict=True)
        return [literal(column) for literal, column in zip(self.all_literals, columns, strict=True)]

    def _translated(self, values: tuple[Any, ...]) -> list[Any]:
        translated = self._listed(values)
        for index, members in self.enums:
            translated[index] = members[translated[index]]
        return translated

    def _listed(self, values: Sequence[Any]) -> list[Any]:
        listed = list(values)
        for index in self.lists:
            listed[index] = arrays.undocumented(listed[index])
        return listed


def _table(kind: type[Entity], name: str, *fixed: str) -> Table:
    """Describe a table; `fixed` columns never change once the row is made, and are not in its UPDATE."""
    hints = get_type_hints(kind)
    columns = tuple(each.name for each in fields(kind))
    types = {column: _plain_type(hints[column]) for column in columns}
    changing = tuple(column for column in columns if column not in fixed)
    return Table(
        kind=kind,
        name=name,
        party_column=columns[0],
        columns=columns,
        enums=tuple(
            (index, {member.value: member for member in types[column]})
            for index, column in enumerate(columns)
            if issubclass(types[column], Enum)
        ),
        lists=tuple(index for index, column in enumerate(columns) if types[column] is tuple),
        changing_columns=changing,
        values=cast("Callable[[Entity], tuple[Any, ...]]", attrgetter(*columns)),
        changing=cast("Callable[[Entity], tuple[Any, ...]]", attrgetter(*changing)),
        literals=tuple(_literal(types[column]) for column in changing),
        all_literals=tuple(_literal(types[column]) for column in columns),
        insert=_insert(name, {column: _database_type(types[column]) for column in columns}),
    )


def _insert(name: str, types: Mapping[str, str]) -> str:
    arrays_ = ", ".join(f"${number}::text::{each}[]" for number, each in enumerate(types.values(), start=2))
    return f"INSERT INTO {name} (lane, {', '.join(types)}) SELECT $1, new.* FROM unnest({arrays_}) AS new"  # noqa: S608  names of ours


def _plain_type(hint: Any) -> type[Any]:
    """The class behind a field's type: `int` of `int | None`, `tuple` of `tuple[str, ...]`."""
    if isinstance(hint, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    return cast("type[Any]", get_origin(hint) or hint)


def _database_type(kind: type[Any]) -> str:
    for python, database in _DATABASE_TYPES.items():
        if issubclass(kind, python):
            return database
    raise TypeError(f"no column of {kind}")


_DATABASE_TYPES: Mapping[type[Any], str] = {
    str: "text",
    bool: "boolean",
    int: "bigint",
    datetime: "timestamptz",
    date: "date",
    bytes: "bytea",
    tuple: "jsonb",
}


def _literal(kind: type[Any]) -> Callable[[Sequence[Any]], Literal]:
    if issubclass(kind, str):
        return arrays.texts
    if issubclass(kind, int):
        return arrays.plain
    if issubclass(kind, date | datetime):
        return arrays.instants
    if kind is bytes:
        return arrays.blobs
    if kind is tuple:
        return arrays.documents
    raise TypeError(f"no array of {kind}")


_PAYOUT_FIXED = ("no", "amount_minor", "currency", "route", "reason", "requested_at", "source_id")

TABLES: Mapping[type[Entity], Table] = {
    table.kind: table
    for table in (
        _table(Account, "account", "programme", "currency", "opened_at", "fingerprint"),
        _table(
            Order,
            "purchase_order",
            *("no", "merchant_id", "plan_kind", "plan_days", "plan_periods", "placed_at", "terms_from", "fingerprint"),
        ),
        _table(Obligation, "obligation", "no", "order_id", "cash_out_id"),
        _table(
            Debit,
            "debit",
            *("no", "due_on", "attempt", "reason", "first_requested_at", "requested_at", "requested_rank"),
        ),
        _table(
            Return,
            "return_request",
            *("no", "order_id", "reason", "evidence", "description", "requested_at", "fingerprint"),
        ),
        _table(
            Repayment,
            "repayment",
            *("no", "amount_minor", "purpose", "order_id", "debit_id", "channel", "received_at", "fingerprint"),
            *("counts_at", "counts_rank", "own_first", "due_by"),
        ),
        _table(CashOut, "cash_out", "no", "amount_minor", "requested_at", "fingerprint"),
        _table(Appeal, "appeal"),
        _table(
            Concession,
            "concession",
            *("no", "kind", "reason", "order_id", "approved_by", "decided_at", "fingerprint"),
        ),
        _table(Merchant, "merchant"),
        _table(MerchantBalance, "merchant_balance"),
        _table(MerchantCase, "merchant_case"),
        _table(Deposit, "deposit"),
        _table(DepositRefund, "deposit_refund"),
        _table(ShopWithdrawal, "shop_withdrawal"),
        _table(AccountPayout, "account_payout", *_PAYOUT_FIXED),
        _table(MerchantPayout, "merchant_payout", *_PAYOUT_FIXED),
        _table(
            SuspenseEntry,
            "suspense_entry",
            *("amount_minor", "currency", "channel", "purpose", "order_id", "debit_id", "event_id", "received_at"),
            *("suspended_at", "fingerprint"),
        ),
        _table(ShopSettings, "shop_settings"),
    )
}
"""Every entity class and its table, in the order they are written."""
