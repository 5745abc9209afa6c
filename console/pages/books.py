"""*Books*: the last audit on record, how each check came out before, and the heads of the chains."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from console.access import Permission
from console.routes import Asked, Done, Download, Form, Page
from operating.auditing import AuditRun, audit_on_record, history, runs
from operating.refusal import ActionRefusedError
from settlement.ledger import LedgerAccount, Side
from storage import figures, operator_log
from storage.database import connect, first_line
from storage.operator_log import Action, Because, LogFilter
from workers import logs
from workers.settings.model import Settings

PATH = "/books"
RUNS_SHOWN = 30
CHART = [*LedgerAccount]
"""Ledger accounts in the order in which they are shown."""

LOG = logs.get(__name__)

_running: set[asyncio.Task[None]] = set()
"""Audits that were asked for in this process; a task that nobody holds may be collected."""


async def read(asked: Asked) -> Mapping[str, Any]:
    """The last audit on record with its balances, the runs before it, and how far each chain is."""
    found = await runs(asked.connection, RUNS_SHOWN)
    ended = next((each for each in found if each.ended is not None), None)
    is_open = bool(found) and found[0].ended is None  # for ever, if its process or the connection died on the way
    last_entries = await operator_log.entries(asked.connection, LogFilter(), 1)
    return {
        "latest": None if ended is None else _told(ended),
        "checks": [] if ended is None else _checks(ended, found),
        "balances": [] if ended is None else _balances(ended),
        "runs": [_told(each) for each in found],
        "is_running": is_open and await operator_log.is_under_way(asked.connection, Action.AUDIT),
        "heads": [
            {
                "lane": each.lane,
                "batch_seq": each.batch_seq,
                "lane_time": each.lane_time,
                "hash": each.chain_hash.hex(),
            }
            for each in await figures.chain_heads(asked.connection)
        ],
        "log_head": None
        if not last_entries
        else {"entry": last_entries[0].entry, "hash": last_entries[0].entry_hash.hex()},
    }


def _told(run: AuditRun) -> dict[str, Any]:
    """A run without what it found."""
    told = run.document()
    wrong = [each for each in told["checks"] if not each["ok"]]
    return {
        **{name: told[name] for name in ("entry", "begun_at", "ended_at", "operator", "reason", "ok")},
        "checks_count": len(told["checks"]),
        "wrong_count": len(wrong),
    }


def _checks(latest: AuditRun, found: Sequence[AuditRun]) -> list[dict[str, Any]]:
    """Each check as it came out last and before: those that don't hold first."""
    before = history(found)
    told = [
        {
            "check": each["name"],
            "ok": each["ok"],
            "detail": each["detail"],
            "history": [{"made_at": at, "ok": ok} for at, ok in reversed(before[each["name"]])],
        }
        for each in latest.found["checks"]
    ]
    return sorted(told, key=lambda each: each["ok"])


def _balances(latest: AuditRun) -> list[dict[str, Any]]:
    """The trial balance: per book and currency each ledger account on its side, and the sums of both."""
    books: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in sorted(latest.found["balances"], key=lambda each: CHART.index(each["ledger_account"])):
        books.setdefault((each["book"], each["currency"]), []).append(each)
    return [
        {
            "book": book,
            "currency": currency,
            "accounts": [
                {
                    "ledger_account": each["ledger_account"],
                    "debit_minor": each["balance_minor"] if each["side"] == Side.DEBIT else None,
                    "credit_minor": each["balance_minor"] if each["side"] == Side.CREDIT else None,
                }
                for each in accounts
            ],
            "debit_minor": sum(each["balance_minor"] for each in accounts if each["side"] == Side.DEBIT),
            "credit_minor": sum(each["balance_minor"] for each in accounts if each["side"] == Side.CREDIT),
        }
        for (book, currency), accounts in sorted(books.items())
    ]


async def run_now(asked: Asked) -> Done:
    """Begin an audit on record; it goes on by itself, and the page tells what it finds."""
    begun = asyncio.Event()
    task = asyncio.create_task(_audit(asked.settings, asked.because(), begun), name="audit")
    _running.add(task)
    task.add_done_callback(_running.discard)
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
    return Done({"is_running": not task.done()}, to=PATH, notice="notice_audit_begun")


async def _audit(settings: Settings, because: Because, begun: asyncio.Event) -> None:
    connection = await connect(
        settings.postgres.dsn,
        application_name="postpay console audit",
        password=settings.postgres.read_password,
        role="postpay_ops",
    )
    try:
        await audit_on_record(connection, because, lambda _: begun.set())
    except ActionRefusedError:
        raise
    except Exception as error:
        LOG.exception("an audit on record has not ended", error=first_line(error))
        raise
    finally:
        connection.terminate()


async def write_balances(asked: Asked) -> AsyncIterator[bytes]:
    """The trial balance of the last audit on record, as CSV."""
    found = await runs(asked.connection, RUNS_SHOWN)
    yield _csv([("audited_at", "book", "currency", "ledger_account", "debit_minor", "credit_minor")])
    for run in found:
        if run.ended is not None:
            for book in _balances(run):
                common = (run.ended.at.isoformat(), book["book"], book["currency"])
                accounts = [
                    (*common, each["ledger_account"], each["debit_minor"], each["credit_minor"])
                    for each in book["accounts"]
                ]
                yield _csv([*accounts, (*common, "total", book["debit_minor"], book["credit_minor"])])
            return


async def write_checks(asked: Asked) -> AsyncIterator[bytes]:
    """What each check of the last audits on record found, as CSV."""
    yield _csv([("audited_at", "entry", "operator", "check", "ok", "detail")])
    for run in await runs(asked.connection, RUNS_SHOWN):
        if run.ended is not None:
            common = (run.ended.at.isoformat(), run.begun.entry, run.begun.operator)
            yield _csv((*common, each["name"], each["ok"], each["detail"]) for each in run.found["checks"])


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


PAGE = Page("books", PATH, read, is_live=True)
FORMS = (Form("audit", f"{PATH}/audit", run_now, Permission.RUN_AUDIT),)
DOWNLOADS = (
    Download("trial_balance", f"{PATH}/trial-balance.csv", "trial-balance.csv", "text/csv", write_balances),
    Download("checks", f"{PATH}/checks.csv", "checks.csv", "text/csv", write_checks),
)
