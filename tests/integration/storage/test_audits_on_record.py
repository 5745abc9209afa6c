import pytest

from operating.auditing import audit_on_record, history, runs
from storage.operator_log import Because

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
