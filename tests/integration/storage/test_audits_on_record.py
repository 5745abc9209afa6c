import pytest

from console.access import Role
from console.login.users import ConsoleUser
from console.pages.books import read
from console.routes import Asked
from console.watch import Watch
from operating.auditing import BOOKS, audit_on_record, history, runs
from storage import operator_log
from storage.operator_log import Action, Because, LogOutcome, Note
from workers.settings.model import Settings

ANN = Because("ann", "end of month")


async def test_a_run_is_on_record_with_what_each_check_found_and_the_balances(books):
    connection = books.connection
    checks, entry = await audit_on_record(connection, ANN)
    await connection.execute("UPDATE account SET receivable_minor = receivable_minor + 1")
    await audit_on_record(connection, Because("bob", "why"))
    later, first = await runs(connection, 10)
    assert (first.ended.entry, first.document()["ok"], first.document()["operator"]) == (entry, True, "ann")
    assert [each["name"] for each in first.document()["checks"]] == [check.name for check in checks]
    granted = {each["ledger_account"]: each for each in first.document()["balances"]}["limit_granted"]
    assert granted["balance_minor"] == await connection.fetchval("SELECT sum(limit_minor)::bigint FROM account")
    assert later.document()["ok"] is False
    held = {name: [ok for _, ok in made] for name, made in history([later, first]).items()}
    assert (held["trial balance"], held["hash chain"]) == ([False, True], [True, True])
    assert len(await runs(connection, 1)) == 1


async def test_a_run_that_has_not_ended_is_told(books):
    def stop(check: str) -> None:
        raise KeyboardInterrupt(check)

    with pytest.raises(KeyboardInterrupt):
        await audit_on_record(books.connection, ANN, stop)
    (run,) = await runs(books.connection, 10)
    assert (run.ended, run.document()["ok"], run.document()["checks"]) == (None, None, [])
    assert history([run]) == {}


async def test_the_page_tells_a_run_that_goes_on_from_one_that_died(books):
    asked = Asked(books.connection, {}, Settings.model_construct(), ConsoleUser("mei", Role.AUDITOR), Watch())
    async with operator_log.alone(books.connection, Action.AUDIT):
        note = Note(because=ANN, action=Action.AUDIT, subject=BOOKS, outcome=LogOutcome.INTENDED)
        await operator_log.append(books.connection, [note])
        assert (await read(asked))["is_running"] is True
    assert (await read(asked))["is_running"] is False
    async with operator_log.alone(books.connection, Action.MIGRATE):
        assert (await read(asked))["is_running"] is False
