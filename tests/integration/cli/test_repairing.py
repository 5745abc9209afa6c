"""What an operator does about dead letters, conflicts and parked inputs, from finding to being done."""

import json
from dataclasses import dataclass

import pytest

from storage.migrations import released
from tests.command import Command
from tests.integration.cli.conftest import lines
from tests.integration.cli.repairing import TROUBLE, log_in, placed, received
from tests.platform import Platform, platform


@dataclass(frozen=True)
class Trouble:
    """A platform in trouble, and how to ask about it."""

    made: Platform
    postpay: Command

    def letter(self, reason: str) -> str:
        until = "2026-01-06T00:00:00+0800"  # those of the beginning
        (found,) = self.postpay("dead-letters", "list", "--reason", reason, "--until", until, "--json").lines
        return found["id"]

    def settle(self) -> None:
        waited = self.postpay("lag", "--wait", "50")
        assert waited.code == 0, waited.out + self.made.workers[0].tail()

    def outcome(self, event_id: str, topic: str = "purchase") -> tuple[str, str | None]:
        story = self.postpay("decision", "show", topic, event_id, "--json").json
        return story["outcome"], story["reason"]


@pytest.fixture(scope="module")
async def trouble(stack, tmp_path_factory):
    logs = tmp_path_factory.mktemp("trouble")
    async with platform(stack.bootstrap, stack.dsn, logs, lanes=2, POSTPAY_CLOCK="event") as made:
        found = Trouble(made, Command(made.environment))
        worker = made.worker()
        for part in TROUBLE:
            assert found.postpay("produce", "-", stdin=part).code == 0
            found.settle()
        yield found
        assert await worker.stopped() == 0, worker.tail()
        await made.require_sound()


def ids(trouble: Trouble, *arguments: str, field: str = "event_id") -> list[str | None]:
    ran = trouble.postpay(*arguments, "--json")
    assert ran.code == 0, ran.err
    return [each[field] for each in ran.lines]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], {"wrong_field", "key_mismatch", "nul", "unmatched"}),
        (["--topic", "repayment"], set()),
        (["--topic", "purchase", "--key", "a-9"], {"key_mismatch"}),
        (["--event-id", "p-text"], {"wrong_field"}),
        (["--since", "2026-01-05T00:00:00+0800"], {"unmatched"}),
        (["--until", "2026-01-05T00:00:00+0800"], {"wrong_field", "key_mismatch", "nul"}),
    ],
)
async def test_dead_letters_are_found(trouble, given, found):
    assert set(ids(trouble, "dead-letters", "list", *given, field="reason")) == found


async def test_a_long_list_comes_whole_and_in_order_however_it_is_cut(trouble, monkeypatch):
    whole = trouble.postpay("dead-letters", "list", "--json").lines
    monkeypatch.setattr("cli.filters.PAGE", 1)
    for name in ("dead-letters", "conflicts", "parked"):
        monkeypatch.setattr("cli.filters.PAGE", 500)
        whole = trouble.postpay(name, "list", "--json").lines
        monkeypatch.setattr("cli.filters.PAGE", 1)
        assert trouble.postpay(name, "list", "--json").lines == whole
        assert trouble.postpay(name, "list", "--limit", "2", "--json").lines == whole[:2]
        assert len(whole) >= 2


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], ["p-1b", "p-1"]),
        (["--topic", "repayment"], []),
        (["--key", "a-1"], ["p-1b", "p-1"]),
        (["--key", "a-2"], []),
        (["--event-id", "p-1b"], ["p-1b"]),
        (["--reason", "same_event_id"], ["p-1"]),
        (["--reason", "same_business_id"], ["p-1b"]),
        (["--since", "2026-01-03T10:30:00+0800"], ["p-1b"]),
        (["--until", "2026-01-03T10:30:00+0800"], ["p-1"]),
    ],
)
async def test_conflicts_are_found(trouble, given, found):
    assert ids(trouble, "conflicts", "list", *given) == found


async def test_a_conflict_tells_field_by_field_what_differs(trouble):
    by_business_id, by_event_id = ids(trouble, "conflicts", "list", field="id")
    shown = trouble.postpay("conflicts", "show", by_event_id, "--json").json
    assert shown["reason"] == "same_event_id"
    assert shown["differences"] == [{"path": "amount_minor", "first": 120_000, "came": 130_000}]
    assert (shown["first"]["event_id"], shown["first"]["outcome"]) == ("p-1", "applied")
    assert shown["value"]["amount_minor"] == 130_000
    shown = trouble.postpay("conflicts", "show", by_business_id, "--json").json
    assert shown["reason"] == "same_business_id"
    assert shown["differences"] == [{"path": "plan.days", "first": 30, "came": 60}]
    assert shown["first"]["event_id"] == "p-1"
    told = trouble.postpay("conflicts", "show", by_business_id).out
    assert "First came p-1 at 2026-01-02 10:00:00; it is applied." in told
    assert "plan.days  30     60" in told
    assert trouble.postpay("conflicts", "show", "purchase/0/999").code == 1
    assert trouble.postpay("conflicts", "show", "nonsense").code == 1
    assert trouble.postpay("conflicts", "list", "--reason", "bored").code == 2


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], ["p-10", "p-9"]),
        (["--older-than", "12h"], ["p-9"]),
        (["--older-than", "3d"], []),
        (["--waits-for", "order:o-9"], ["p-9"]),
        (["--waits-for", "order"], ["p-10", "p-9"]),
        (["--reason", "order:o-10"], ["p-10"]),
        (["--topic", "credit-line"], []),
        (["--key", "a-2"], ["p-10"]),
        (["--event-id", "p-9"], ["p-9"]),
        (["--since", "2026-01-07T00:00:00+0800"], ["p-10"]),
        (["--until", "2026-01-07T00:00:00+0800"], ["p-9"]),
    ],
)
async def test_parked_inputs_are_found(trouble, given, found):
    assert ids(trouble, "parked", "list", *given) == found


async def test_a_parked_input_tells_what_it_waits_for_and_until_when(trouble):
    (waiting,) = trouble.postpay("parked", "list", "--key", "a-2", "--json").lines
    assert (waiting["waits_for"], waiting["until"]) == ("order:o-10", "2026-01-10T03:00:00+00:00")
    assert trouble.postpay("parked", "list", "--older-than", "soon").code == 2
    assert "order:o-10" in trouble.postpay("parked", "list").out


async def test_what_waited_in_vain_is_redriven_as_it_came_and_applied_once(trouble):
    letter = trouble.letter("unmatched")
    foreseen = trouble.postpay("dead-letters", "redrive", letter, "--dry-run", "--json")
    assert (foreseen.code, foreseen.lines[0]["status"], foreseen.lines[0]["waits_for"]) == (0, "parked", "order:o-7")
    assert trouble.postpay("produce", "-", stdin=lines(placed("p-7a", "o-7", "2026-01-07T13:00:00+08:00"))).code == 0
    trouble.settle()
    before = await trouble.made.fetch("SELECT lane, batch_seq, next_seq FROM lane ORDER BY 1")
    (foreseen,) = trouble.postpay("dead-letters", "redrive", letter, "--dry-run", "--json").lines
    assert (foreseen["status"], foreseen["event_id"]) == ("applied", "p-7")
    assert foreseen["postings"][0]["amount_minor"] == 120_000
    assert await trouble.made.fetch("SELECT lane, batch_seq, next_seq FROM lane ORDER BY 1") == before
    assert trouble.postpay("operator-log", "list", "--subject", letter, "--json").lines == []

    sent = trouble.postpay("dead-letters", "redrive", letter, "--as", "ann", "--why", "order came late", "--json")
    assert (sent.code, sent.lines[0]["status"], sent.lines[0]["event_id"]) == (0, "redriven", "p-7")
    trouble.settle()
    assert trouble.outcome("p-7") == ("applied", None)
    postings = trouble.postpay("decision", "show", "purchase", "p-7", "--json").json["postings"]
    assert postings == foreseen["postings"]

    again = trouble.postpay("dead-letters", "redrive", letter, "--json")
    assert (again.code, again.lines[0]["status"]) == (0, "redriven_before")
    done, intended = trouble.postpay("operator-log", "list", "--subject", letter, "--json").lines
    assert (intended["operator"], intended["reason"], intended["outcome"]) == ("ann", "order came late", "intended")
    assert intended["before"]["reason"] == "unmatched"
    assert (done["outcome"], done["follows"], done["after"]["event_id"]) == ("done", intended["entry"], "p-7")
    assert trouble.postpay("dead-letters", "show", letter, "--json").json["redrives"] == [done, intended]
    (record,) = [
        each for each in trouble.postpay("consume", "purchase").lines if "postpay-redrive-of" in (each["headers"] or {})
    ]
    assert (record["headers"]["postpay-redrive-of"], record["key"]) == (letter, "a-1")
    assert (record["partition"], record["offset"]) == (done["after"]["partition"], done["after"]["offset"])


async def test_a_wrong_field_is_mended_and_its_original_kept(trouble):
    letter = trouble.letter("wrong_field")
    redrive = ("dead-letters", "redrive", letter)
    as_it_came = trouble.postpay(*redrive, "--dry-run", "--json")
    assert (as_it_came.code, as_it_came.lines[0]["status"]) == (1, "refused")
    assert "it would be a dead letter again: wrong_field: amount_minor" in as_it_came.lines[0]["detail"]
    still_wrong = trouble.postpay(*redrive, "--set", "amount_minor=-5")
    assert (still_wrong.code, "it would be a dead letter again" in still_wrong.out) == (1, True)
    declined = trouble.postpay(*redrive, "--set", "amount_minor=999999999", "--dry-run", "--json").lines[0]
    assert (declined["status"], declined["reason"]) == ("declined", "limit_exceeded")
    edit = ("--set", "amount_minor=1200", "--set", "plan.days=30")
    (foreseen,) = trouble.postpay(*redrive, *edit, "--dry-run", "--json").lines
    assert foreseen["status"] == "applied"
    assert trouble.postpay(*redrive, *edit).code == 0
    trouble.settle()
    assert trouble.outcome(foreseen["event_id"]) == ("applied", None)
    assert await trouble.made.count("SELECT amount_minor FROM purchase_order WHERE order_id = 'o-2'") == 1200
    shown = trouble.postpay("dead-letters", "show", letter, "--json").json
    assert (shown["event_id"], shown["reason"]) == ("p-text", "wrong_field")
    assert (await trouble.made.fetch("SELECT raw FROM dead_letter WHERE event_id = 'p-text'"))[0]["raw"].count(
        b"12 yuan"
    )
    assert shown["redrives"][-1]["after"]["edited"] is True
    again = trouble.postpay(*redrive, "--set", "amount_minor=1300", "--json").lines
    assert again[0]["status"] == "redriven_before"


async def test_a_wrong_key_is_mended(trouble):
    letter = trouble.letter("key_mismatch")
    (foreseen,) = trouble.postpay("dead-letters", "redrive", letter, "--new-key", "a-1", "--dry-run", "--json").lines
    assert foreseen["status"] == "applied"
    assert trouble.postpay("dead-letters", "redrive", letter, "--new-key", "a-1").code == 0
    trouble.settle()
    assert trouble.outcome(foreseen["event_id"]) == ("applied", None)


async def test_what_was_never_understood_is_given_whole(trouble, tmp_path):
    letter = trouble.letter("nul")
    redrive = ("dead-letters", "redrive", letter)
    unreadable = trouble.postpay(*redrive, "--set", "a=1")
    assert (unreadable.code, "give the whole of it by --file" in unreadable.out) == (1, True)
    file = tmp_path / "mended.json"
    file.write_text(json.dumps(placed("any", "o-nul")["value"]))
    assert trouble.postpay(*redrive, "--file", str(file), "--dry-run").code == 0
    assert trouble.postpay(*redrive, "--file", str(file)).code == 0
    trouble.settle()
    assert await trouble.made.count("SELECT count(*) FROM purchase_order WHERE order_id = 'o-nul'") == 1


async def test_a_redrive_needs_something_to_redrive(trouble):
    for given, code in (
        ([], 1),
        (["--reason", "nul", "purchase/0/1"], 1),
        (["purchase/0/999"], 1),
        (["--reason", "bored"], 2),
        (["--topic", "bored"], 2),
        (["--reason", "nul", "--set", "a=1"], 2),
        (["purchase/0/999", "--file", "/none.json"], 2),
        (["purchase/0/999", "--set", "nothing"], 1),
    ):
        ran = trouble.postpay("dead-letters", "redrive", *given)
        assert (ran.code, bool(ran.complaint)) == (code, True), given


async def test_an_edit_of_what_its_producer_has_sent_again_is_refused(trouble):
    wrong = placed("p-twice", "o-20", "2026-01-08T10:00:00+08:00", currency="yuan")
    assert trouble.postpay("produce", "-", stdin=lines(wrong)).code == 0
    trouble.settle()
    (letter,) = ids(trouble, "dead-letters", "list", "--event-id", "p-twice", field="id")
    mended = placed("p-twice", "o-20", "2026-01-08T10:00:00+08:00")
    assert trouble.postpay("produce", "-", stdin=lines(mended)).code == 0
    trouble.settle()
    ran = trouble.postpay("dead-letters", "redrive", letter, "--set", "currency=CNY")
    assert (ran.code, "its event_id came again and was settled" in ran.out) == (1, True)


async def test_a_redrive_that_was_interrupted_is_finished_by_the_same_one_and_no_other(trouble):
    wrong = received("p-30", "o-30", "2026-01-08T11:00:00+08:00")
    later = {
        "topic": "clock",
        "key": None,
        "value": {"event_id": "t-9", "type": "clock.ticked", "occurred_at": "2026-01-12T12:00:00+08:00"},
    }
    assert trouble.postpay("produce", "-", stdin=lines(wrong, later)).code == 0
    trouble.settle()
    (letter,) = ids(trouble, "dead-letters", "list", "--event-id", "p-30", field="id")
    for point, sent in (("redrive_intended", 0), ("redrive_sent", 1)):
        killed = trouble.postpay.process("dead-letters", "redrive", letter, POSTPAY_FAULT=point)
        assert killed.code == -9, killed.err
        out = [
            each
            for each in trouble.postpay("consume", "purchase").lines
            if each["headers"].get("postpay-redrive-of") == letter
        ]
        assert len(out) == sent
    assert (
        trouble.postpay("dead-letters", "list", "--event-id", "p-30", "--json").lines[-1]["redrive"]["outcome"]
        == "intended"
    )
    edited = trouble.postpay("dead-letters", "redrive", letter, "--set", "order_id=o-1")
    assert (edited.code, "repeat it as it came" in edited.out) == (1, True)
    assert trouble.postpay("dead-letters", "redrive", letter).code == 0
    trouble.settle()
    assert trouble.outcome("p-30")[0] == "parked"
    repeats = trouble.postpay("decision", "show", "purchase", "p-30", "--json").json["repeats"]
    assert [each["outcome"] for each in repeats] == ["duplicate"]
    entries = ids(trouble, "operator-log", "list", "--subject", letter, field="outcome")
    assert entries == ["done", "intended", "intended", "intended"]


@pytest.mark.parametrize("role", ["postpay_auditor", "postpay_worker"])
async def test_what_somebody_else_may_not_is_refused_and_changes_nothing(trouble, tmp_path, role):
    """Every command that changes something, one by one."""
    topics = ("purchase", "terms", "repayment")
    before = await trouble.made.count("SELECT count(*) FROM operator_log")
    letter = ids(trouble, "dead-letters", "list", "--all", field="id")[0]
    sent = len(trouble.postpay("consume", *topics).lines)
    async with log_in(trouble.made, role) as (_, reader):
        for command in (
            ("dead-letters", "redrive", "--reason", "unmatched"),
            ("dead-letters", "close", letter, "--reason", "why"),
            ("dead-letters", "reopen", letter, "--reason", "why"),
            ("lane", "accept-gap", "0", "purchase", "99", "--reason", "why"),
            ("terms", "publish", str(terms_file(tmp_path))),
        ):
            ran = trouble.postpay(*command, **reader)
            assert (ran.code, "operators are members of postpay_ops" in ran.complaint) == (2, True), command
        assert trouble.postpay("dead-letters", "redrive", "--reason", "unmatched", "--dry-run", **reader).code == 0
        for name in ("dead-letters", "conflicts", "parked", "payouts", "suspense", "operator-log"):
            assert trouble.postpay(name, "list", **reader).code == 0, name
    assert await trouble.made.count("SELECT count(*) FROM operator_log") == before
    assert len(trouble.postpay("consume", *topics).lines) == sent


async def test_an_operator_is_told_by_name_and_log_in(trouble, tmp_path):
    async with log_in(trouble.made, "postpay_ops") as (name, ops):
        published = trouble.postpay("terms", "publish", str(terms_file(tmp_path)), "--as", "bob", **ops)
        assert published.code == 0, published.err
        again = trouble.postpay("terms", "publish", str(terms_file(tmp_path)), POSTPAY_OPERATOR="carol", **ops)
        assert again.code == 0, again.err
    entries = trouble.postpay("operator-log", "list", "--action", "publish_terms", "--json").lines
    assert [(each["operator"], each["outcome"]) for each in entries] == [
        ("carol", "done"),
        ("carol", "intended"),
        ("bob", "done"),
        ("bob", "intended"),
    ]
    assert {each["database_user"] for each in entries} == {name}
    assert entries[-1]["after"]["event_id"] == trouble.postpay("consume", "terms").lines[0]["value"]["event_id"]
    assert (
        entries == trouble.postpay("operator-log", "list", "--action", "publish_terms", "--limit", "9", "--json").lines
    )
    assert trouble.postpay("operator-log", "list", "--by", "bob", "--json").lines == entries[2:]
    trouble.settle()


def terms_file(directory):
    from settlement.terms import TermsBook

    file = directory / "terms.json"
    file.write_text(json.dumps(TermsBook.builtin().document))
    return file


async def test_what_needs_no_redrive_is_closed_with_a_reason(trouble):
    bad = [{"topic": "purchase", "key": "a-1", "value": {"base64": "AP8="}} for _ in range(2)]
    assert trouble.postpay("produce", "-", stdin=lines(*bad)).code == 0
    trouble.settle()
    mistaken, other = ids(trouble, "dead-letters", "list", "--reason", "nul", field="id")
    assert trouble.postpay("dead-letters", "close", mistaken).code == 2
    assert trouble.postpay("dead-letters", "close", "purchase/0/999", "--reason", "why").code == 1
    closed = trouble.postpay("dead-letters", "close", mistaken, "--reason", "a test", "--as", "ann", "--json")
    assert (closed.code, closed.lines) == (0, [{"id": mistaken, "status": "closed", "detail": None}])
    assert ids(trouble, "dead-letters", "list", "--reason", "nul", field="id") == [other]
    done_with = trouble.postpay("dead-letters", "list", "--reason", "nul", "--closed", "--json").lines
    assert {each["id"]: (each["closed"] or {}).get("by") for each in done_with}[mistaken] == "ann"
    everything = ids(trouble, "dead-letters", "list", "--reason", "nul", "--all", field="id")
    assert set(everything) == {other, *(each["id"] for each in done_with)}
    refused = trouble.postpay("dead-letters", "redrive", mistaken)
    assert "ann closed it at" in refused.out and "reopen it first" in refused.out
    assert f"closed at {done_with[0]['closed']['at'][:4]}" in trouble.postpay("dead-letters", "show", mistaken).out
    reopened = trouble.postpay("dead-letters", "reopen", mistaken, "--reason", "no test after all")
    assert (reopened.code, "reopened (ann at" in reopened.out) == (0, True)
    assert ids(trouble, "dead-letters", "list", "--reason", "nul", field="id") == [mistaken, other]


async def test_a_gap_is_accepted_on_record(trouble):
    refused = trouble.postpay("lane", "accept-gap", "7", "purchase", "99", "--reason", "lost")
    assert (refused.code, "expected a lane from 0 to 1, got 7" in refused.complaint) == (1, True)
    assert trouble.postpay("lane", "accept-gap", "0", "nothing", "99", "--reason", "lost").code == 1
    assert trouble.postpay("lane", "accept-gap", "0", "purchase", "99", "--reason", " ").code == 1
    assert trouble.postpay("lane", "accept-gap", "0", "purchase", "99").code == 2
    would = trouble.postpay(
        "lane", "accept-gap", "0", "deposit-refund-request", "99", "--reason", "lost", "--dry-run", "--json"
    )
    assert would.json["offset_before"] == 0
    assert trouble.postpay("operator-log", "list", "--action", "accept_gap", "--json").lines == []


async def test_the_operator_log_is_part_of_the_audit(trouble):
    (check,) = [each for each in trouble.postpay("audit", "--json").json["checks"] if each["name"] == "operator log"]
    assert check["ok"]
    assert trouble.postpay("operator-log", "list", "--action", "bored").code == 2
    assert "redrive" in trouble.postpay("operator-log", "list").out


async def test_migrations_are_on_record(empty_database):
    postpay = Command({"POSTPAY_POSTGRES__DSN": empty_database.dsn})
    assert postpay("migrate", "--as", "ann").code == 0
    entries = postpay("operator-log", "list", "--json").lines
    assert {(each["operator"], each["action"]) for each in entries} == {("ann", "migrate")}
    applied = [each["subject"] for each in entries]
    assert applied[0] == released()[-1].name
    assert postpay("migrate").code == 0
    assert len(postpay("operator-log", "list", "--json").lines) == len(applied)


async def test_payouts_are_listed(shop):
    assert shop.postpay("payouts", "list", "--open", "--json").lines == []
    assert shop.postpay("payouts", "list").out == "no payouts\n"
