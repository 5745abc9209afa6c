"""A simulation's report as text; its document is that of `postpay replay simulate --json`."""

from collections.abc import Iterator, Mapping
from typing import Any

from words.phrases import counted, money
from words.tables import Tabulation, table

MEASURES = {
    "accepted": "purchases accepted",
    "declined": "purchases declined",
    "fees": "fees charged, less given back",
    "penalties": "penalties charged, less given back",
    "fell_overdue": "fell overdue",
    "collected": "money that came in",
    "charged_off": "charged off as lost",
    "recovered": "recovered of it",
    "debits_requested": "debits asked for",
    "payouts_to_accounts": "payouts to buyers",
    "payouts_to_merchants": "payouts to merchants",
    "limits_reclaimed": "limit reclaimed",
    "limits_restored": "limit restored",
    "limit_at_end": "limit at the end",
    "available_at_end": "of it available",
    "owed_at_end": "owed at the end",
    "overdue_at_end": "of it overdue",
    "payable_at_end": "payable to merchants at the end",
}
"""What measures mean; the order in which they are told."""

COUNTS = {
    "accounts": "accounts",
    "accounts_overdue_at_end": "accounts overdue at the end",
    "lines_active": "lines active at the end",
    "lines_frozen": "lines frozen at the end",
    "lines_closed": "lines closed at the end",
}


def tell(document: Mapping[str, Any]) -> Iterator[str | Tabulation]:
    """The report, part by part."""
    yield headline(document)
    yield ""
    yield table("amounts", ("", "#recorded", "#simulated", "#difference"), _amounts(document))
    yield ""
    yield table("counts", ("", "#recorded", "#simulated", "#difference"), _counts(document))
    apart = [row for row in document["outcomes"] if row["recorded"] != row["simulated"]]
    if apart:
        yield ""
        columns = ("message", "outcome", "reason", "#recorded", "#simulated")
        rows = [(row["type"], row["outcome"], row["reason"], row["recorded"], row["simulated"]) for row in apart]
        yield table("what became of messages, where it differs", columns, rows)
    if document["most_apart"]:
        yield ""
        yield _most_apart(document)
    if document["account"] is not None:
        yield ""
        yield _account(document["account"])
    for note in (*document["notes"], *document["how_to_read"]):
        yield ""
        yield note


def headline(document: Mapping[str, Any]) -> str:
    """What came out, in one line."""
    since = document["terms"]["from_date"]
    found = (
        "no difference"
        if document["equal"]
        else f"{counted(document['parties_apart'], 'account or merchant', 'accounts and merchants')} with another story"
    )
    return (
        f"{found}: {counted(document['lanes'], 'lane')}, {counted(document['batches'], 'batch', 'batches')},"
        f" {counted(document['messages'], 'message')} decided twice in {document['seconds']:,.1f} s"
        f" ({document['per_s']:,} messages/s); other terms {'always' if since is None else f'from {since} on'}"
    )


def _amounts(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    names = list(MEASURES)
    for row in sorted(document["amounts"], key=lambda row: (row["currency"], names.index(row["measure"]))):
        was, would, currency = row["recorded_minor"], row["simulated_minor"], row["currency"]
        difference = money(would - was, currency) if would != was else ""
        yield MEASURES[row["measure"]], money(was, currency), money(would, currency), difference


def _counts(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for row in document["counts"]:
        name = COUNTS.get(row["measure"]) or MEASURES.get(row["measure"], row["measure"])
        difference = row["simulated"] - row["recorded"]
        yield name, f"{row['recorded']:,}", f"{row['simulated']:,}", f"{difference:+,}" if difference else ""


def _most_apart(document: Mapping[str, Any]) -> Tabulation:
    measures = ("accepted", "fees", "penalties", "fell_overdue", "collected", "paid_out")
    rows = [
        (f"{row['kind']} {row['id']}", *(f"{row[name]:,}" if row[name] else "" for name in measures))
        for row in document["most_apart"]
    ]
    columns = ("", *(f"#{name.replace('_', ' ')}" for name in measures))
    return table("whose stories differ most (simulated less recorded, minor units)", columns, rows)


def _account(account: Mapping[str, Any]) -> Tabulation:
    rows = [
        ("" if step["equal"] else "≠", step["what"], _side(step["recorded"]), _side(step["simulated"]))
        for step in account["steps"]
    ]
    return table(f"account {account['id']}", ("", "", "recorded", "simulated"), rows)


def _side(step: Mapping[str, Any] | None) -> str:
    if step is None:
        return "–"
    reason = f" ({step['reason']})" if step["reason"] else ""
    return "; ".join([f"{step['at'][:16]} {step['outcome']}{reason}", *step["postings"], *step["outputs"]])
