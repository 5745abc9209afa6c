"""`postpay replay verify` on real topics and tables: equal where nothing is wrong, and what is wrong is named."""

from dataclasses import dataclass

import pytest

from tests.command import Command
from tests.integration.replay.conftest import LANES, falsify

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_history_of_every_kind_of_outcome_is_decided_again_to_the_same(settled):
    for lane in range(LANES):
        report = await settled.verify(lane)
        assert report.difference is None, str(report.difference)
        assert (report.unfinished, report.gaps) == ("", [])
        figures = await settled.platform.fetch(
            "SELECT (SELECT batch_seq FROM lane WHERE lane = $1) AS batches,"
            " (SELECT count(*) FROM decision WHERE lane = $1) AS decisions,"
            " (SELECT count(*) FROM posting WHERE lane = $1) AS postings",
            lane,
        )
        assert (report.to_batch, report.decisions, report.postings) == tuple(figures[0])
        assert report.decisions > report.batches > 20
    await everything_happened(settled)


async def everything_happened(settled):
    """The history is as nasty as it is meant to be."""
    fetch, count = settled.platform.fetch, settled.platform.count
    outcomes = await settled.platform.outcomes()
    assert {"applied", "declined", "duplicate", "conflict", "dead_lettered", "parked"} <= outcomes.keys()
    kinds = {
        (row["timer_id"] is not None, row["event_id"] is not None)
        for row in await fetch("SELECT timer_id, event_id FROM dead_letter WHERE reason = 'internal_error'")
    }
    assert kinds == {(True, False), (False, True), (False, False)}, "a defect of timers, of deciding and of decoding"
    assert await count("SELECT count(*) FROM decision WHERE kind = 'timer'") > 50
    assert await count("SELECT count(*) FROM lane_offset WHERE topic = 'rerouted' AND settled_records > 0") > 0
    assert await count("SELECT count(*) FROM terms") > 1
    assert await count("SELECT count(*) FROM receipt WHERE holds_event_id") > 0


@dataclass(frozen=True)
class Fake:
    """What somebody with the rights of the owner changes, on lane 0, and what must be said of it."""

    name: str
    statements: tuple[str, ...]
    where: str
    column: str | None = None
    note: str = ""


def fake(name: str, where: str, column: str | None, *statements: str, note: str = "") -> Fake:
    return Fake(name, statements, where, column, note)


CHANGED = "changed since"
FAKES = (
    fake(
        "amount of a posting",
        "posting ",
        "amount_minor",
        "UPDATE posting SET amount_minor = amount_minor + 1 WHERE lane = 0 AND seq = (SELECT max(seq) FROM posting"
        " WHERE lane = 0)",
        note=CHANGED,
    ),
    fake(
        "a posting gone",
        "posting ",
        None,
        "DELETE FROM posting WHERE lane = 0 AND seq = (SELECT min(seq) FROM posting WHERE lane = 0)",
        note=CHANGED,
    ),
    fake(
        "a posting more",
        "posting 99 of decision",
        None,
        "INSERT INTO posting SELECT lane, seq, 99, party_id, debit, credit, currency, amount_minor FROM posting"
        " WHERE lane = 0 ORDER BY seq DESC LIMIT 1",
        note=CHANGED,
    ),
    fake(
        "a posting beyond the last decision",
        "the number of its rows",
        "postings",
        "INSERT INTO posting SELECT lane, seq + 1000000, n, party_id, debit, credit, currency, amount_minor FROM"
        " posting WHERE lane = 0 ORDER BY seq DESC LIMIT 1",
    ),
    fake(
        "outcome of a decision",
        "decision ",
        "outcome",
        "UPDATE decision SET outcome = 'applied' WHERE lane = 0 AND outcome = 'declined'",
        note=CHANGED,
    ),
    fake(
        "raw bytes of a decision",
        "decision ",
        "raw",
        "UPDATE decision SET raw = raw || ' '::bytea WHERE lane = 0 AND seq = 5",
        note=CHANGED,
    ),
    fake("a decision gone", "decision ", None, "DELETE FROM decision WHERE lane = 0 AND seq = 7", note=CHANGED),
    fake(
        "a balance, within its limit",
        "account ",
        "available_minor",
        "UPDATE account SET available_minor = available_minor - 1, held_minor = held_minor + 1 WHERE lane = 0 AND"
        " account_id = (SELECT max(account_id) FROM account WHERE lane = 0)",
    ),
    fake(
        "a due date",
        "obligation ",
        "due_on",
        "UPDATE obligation SET due_on = due_on + 1 WHERE lane = 0 AND account_id = (SELECT max(account_id) FROM"
        " obligation WHERE lane = 0)",
    ),
    fake(
        "all of an account's orders gone",
        "purchase_order ",
        None,
        "DELETE FROM purchase_order WHERE lane = 0 AND account_id = (SELECT min(account_id) FROM purchase_order"
        " WHERE lane = 0)",
    ),
    fake(
        "an order of nobody",
        "purchase_order ",
        None,
        'INSERT INTO purchase_order SELECT (jsonb_populate_record(purchase_order, \'{"account_id": "nobody"}\')).*'
        " FROM purchase_order WHERE lane = 0 LIMIT 1",
    ),
    fake(
        "what is payable",
        "merchant_balance ",
        "payable_minor",
        "UPDATE merchant_balance SET payable_minor = payable_minor + 1 WHERE lane = 0",
    ),
    fake(
        "a balance of the platform",
        "platform_balances ",
        "balance_minor",
        "UPDATE platform_balance SET balance_minor = balance_minor + 1 WHERE lane = 0",
    ),
    fake(
        "money on its way to merchants",
        "activity_totals CNY",
        "sent_minor",
        "UPDATE activity_total SET sent_minor = sent_minor - 1 WHERE lane = 0",
    ),
    fake(
        "a position",
        "offsets purchase",
        "next_offset",
        "UPDATE lane_offset SET next_offset = next_offset + 1 WHERE lane = 0 AND topic = 'purchase'",
    ),
    fake(
        "a timer put off",
        "timer of account",
        "due_at",
        "UPDATE timer SET due_at = due_at + interval '1 day' WHERE lane = 0 AND party_kind = 'account'",
    ),
    fake("all timers gone", "timer of ", None, "DELETE FROM timer WHERE lane = 0"),
    fake(
        "what waits for something else",
        "parked input of account",
        "waits_for",
        "UPDATE parked SET waits_for = 'order:another' WHERE lane = 0",
    ),
    fake(
        "a refusal forgotten",
        "refusal of account acc-mishap",
        None,
        "DELETE FROM declined_subject WHERE lane = 0 AND party_id LIKE 'acc-mishap%'",
    ),
    fake(
        "a duplicate that is a conflict",
        "receipt of ",
        "outcome",
        "UPDATE receipt SET outcome = 'conflict' WHERE lane = 0 AND outcome = 'duplicate'",
    ),
    fake("all receipts gone", "receipt of ", None, "DELETE FROM receipt WHERE lane = 0"),
    fake(
        "what a dead letter says",
        "dead letter ",
        "detail",
        "UPDATE dead_letter SET detail = 'never mind' WHERE lane = 0 AND reason <> 'internal_error'",
    ),
    fake(
        "a decision that was an error",
        "decision ",
        None,
        "INSERT INTO dead_letter (lane, dead_letter_id, batch_seq, topic, partition, record_offset, event_id,"
        " decided_at, reason, detail) SELECT lane, topic || '/' || partition || '/' || record_offset, batch_seq, topic,"
        " partition, record_offset, event_id, decided_at, 'internal_error', 'oops' FROM decision"
        " WHERE lane = 0 AND seq = 9",
    ),
    fake(
        "the time of a batch",
        "its row in table batch",
        "lane_time",
        "UPDATE batch SET lane_time = lane_time + interval '1 second' WHERE lane = 0 AND batch_seq = 3",
        note=CHANGED,
    ),
    fake(
        "a hash",
        "its row in table batch",
        "chain_hash",
        "UPDATE batch SET chain_hash = sha256(chain_hash) WHERE lane = 0 AND batch_seq = 3",
        note="another hash",
    ),
    fake(
        "the last batches",
        "its row in table batch",
        None,
        "DELETE FROM batch WHERE lane = 0 AND batch_seq > (SELECT max(batch_seq) - 2 FROM batch WHERE lane = 0)",
    ),
    fake(
        "the last batches with all that tells of them",
        "its row in table batch",
        None,
        "UPDATE lane SET batch_seq = before.batch_seq, chain_hash = before.chain_hash, lane_time = before.lane_time,"
        " next_seq = before.first_seq + before.decisions FROM (SELECT * FROM batch WHERE lane = 0 ORDER BY batch_seq"
        " DESC OFFSET 2 LIMIT 1) AS before WHERE lane.lane = 0",
        "DELETE FROM posting WHERE lane = 0 AND seq >= (SELECT next_seq FROM lane WHERE lane = 0)",
        "DELETE FROM decision WHERE lane = 0 AND seq >= (SELECT next_seq FROM lane WHERE lane = 0)",
        "DELETE FROM batch WHERE lane = 0 AND batch_seq > (SELECT batch_seq FROM lane WHERE lane = 0)",
    ),
    fake(
        "the lane's own row",
        "the lane's row",
        "lane_time",
        "UPDATE lane SET lane_time = lane_time + interval '1 hour' WHERE lane = 0",
    ),
)


@pytest.mark.parametrize("changed", FAKES, ids=[each.name for each in FAKES])
async def test_what_the_owner_changes_is_found_and_named(settled, changed):
    async with settled.copy() as dsn:
        await falsify(dsn, *changed.statements)

        found = (await settled.verify(database=dsn)).difference

        assert found is not None, "nobody would notice"
        assert (found.where.startswith(changed.where), found.column) == (True, changed.column), str(found)
        assert found.recorded != found.decided
        assert changed.note in found.note


async def test_terms_that_were_changed_are_named_and_the_command_says_different(settled):
    async with settled.copy() as dsn:
        await falsify(dsn, "UPDATE terms SET document = jsonb_set(document, '{versions,0,penalty_bps_per_day}', '9')")
        postpay = Command({**settled.platform.environment, "POSTPAY_POSTGRES__DSN": dsn})

        ran = postpay.process("replay", "verify", "--lane", "1", "--json")

        assert ran.code == 1, ran.err
        assert not ran.json["equal"]
        assert {each["where"][:6] for each in ran.json["findings"]} == {"terms "}
        assert all(each["note"] == "by its document" for each in ran.json["findings"])


async def test_the_command_says_equal_with_its_figures_and_different_with_both_sides(settled):
    postpay = Command(settled.platform.environment)
    ran = postpay.process("replay", "verify", "--json")
    assert ran.code == 0, ran.out + ran.err
    assert (ran.json["equal"], ran.json["complete"], len(ran.json["lanes"])) == (True, True, LANES)
    assert ran.json["decisions"] == await settled.platform.count("SELECT count(*) FROM decision")
    assert ran.json["postings"] == await settled.platform.count("SELECT count(*) FROM posting")
    assert ran.json["batches"] == await settled.platform.count("SELECT count(*) FROM batch")
    async with settled.copy() as dsn:
        await falsify(dsn, "UPDATE posting SET amount_minor = 7 WHERE lane = 1 AND seq = 3 AND n = 0")
        ran = postpay.process("replay", "verify", POSTPAY_POSTGRES__DSN=dsn)
        assert ran.code == 1
        (line,) = [line for line in ran.out.splitlines() if line.startswith("DIFFERENT  ")]
        assert "lane 1, batch " in line and "posting 0 of decision 3" in line
        assert "amount_minor: recorded 7; decided again " in line
        assert "equal      lane 0" in ran.out and ran.out.splitlines()[-1].startswith("DIFFERENT: 2 lanes")


async def test_a_lane_that_is_not_there_is_refused(settled):
    ran = Command(settled.platform.environment)("replay", "verify", "--lane", str(LANES))
    assert ran.code == 2
    assert f"expected one from 0 to {LANES - 1}, got {LANES}" in ran.complaint
