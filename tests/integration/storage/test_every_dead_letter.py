"""What Kafka's readers and Postgres' readers are told of a dead letter is the same, whatever its reason."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.dead_letter_messages import encode_dead_letter
from contracts.decode import decode
from contracts.document import DOCUMENT
from contracts.envelope import MAX_BYTES
from settlement import batch
from settlement.calendar import WorkingDays
from settlement.dead_letter import MAX_DETAIL, DeadLetter, DeadLetterReason, of_timer
from settlement.draft import Rules
from settlement.messages import MerchantRegistered, PurchaseReceived, TermsPublished
from settlement.timers import Timer, TimerKind
from settlement.totals import LARGEST_MINOR, SENT
from storage import dead_letters, lanes
from storage.write import write
from tests.contract import builders as records
from tests.unit.settlement.builders import (
    BUYER,
    RULES,
    SHOP,
    Lane,
    at,
    deferred,
    deposited,
    lane_with_line,
    message,
    placed,
    refund_asked,
)
from workers.lanes import deciding
from workers.lanes.taken import Taken

Reason = DeadLetterReason
RUNBOOK = Path(__file__).parents[3] / "docs/runbooks/dead-letters.md"
PRIVATE = "13800000000"
NOW = records.NOW


def not_understood() -> dict[DeadLetterReason, DeadLetter]:
    purchase, record = json.dumps(records.placed()).encode(), records.record
    found = {
        Reason.BAD_ORIGIN: record(records.placed(), "rerouted", key="a-1", headers=[("traceparent", b"\xff")]),
        Reason.EMPTY: record(None),
        Reason.TOO_LARGE: record(b" " * (MAX_BYTES + 1)),
        Reason.BYTE_ORDER_MARK: record(b"\xef\xbb\xbf{}"),
        Reason.NUL: record(b"\0", key=b"\0"),
        Reason.BAD_UTF8: record(b'{"a": "\xff"}'),
        Reason.NOT_JSON: record(b"{"),
        Reason.TOO_DEEP: record(b"[" * 100_000),
        Reason.LONE_SURROGATE: record(b'{"a": "\\ud800"}'),
        Reason.DUPLICATE_KEY: record(purchase[:-1] + b', "event_id": "e-2"}', key="a-1"),
        Reason.WRONG_SHAPE: record([]),
        Reason.UNKNOWN_TYPE: record({"type": "x" * 10_000}),
        Reason.BAD_VERSION: record(records.placed(version=2)),
        Reason.MISSING_FIELD: record({"type": "purchase.placed"}),
        Reason.WRONG_FIELD: record(records.placed(amount_minor=0)),
        Reason.KEY_MISMATCH: record(records.placed(), key="another"),
    }
    return {reason: decode(each).dead_letter(NOW) for reason, each in found.items()}


def not_decided(monkeypatch: pytest.MonkeyPatch) -> dict[DeadLetterReason, DeadLetter]:
    jumped = lane_with_line()
    jumped.send(at("2026-01-01") + timedelta(days=401), placed())
    unmatched = lane_with_line()
    unmatched.send("2026-01-02", PurchaseReceived("order"))
    unmatched.tick("2026-01-05")
    ill = lane_with_line()
    ill.unchecked(message(TermsPublished({"versions": "x" * 10_000}), None, at("2026-01-02"), "terms"))
    unknown = Lane(Rules(RULES.terms, WorkingDays("test", {})))
    unknown.send("2026-01-01", MerchantRegistered("CNY", 7))
    unknown.send("2026-01-02", deposited())
    unknown.unchecked(message(refund_asked(), SHOP, at("2026-01-03"), "event"))
    full = lane_with_line("kuaishou")
    full.totals = {(SENT, "CNY"): LARGEST_MINOR}
    full.send("2026-01-02", deferred("order", 100))
    full.send("2026-01-03", PurchaseReceived("order"))
    broken = lane_with_line()

    def trip(*_):
        raise ValueError(f"cannot call {PRIVATE}")

    monkeypatch.setattr(batch, "decide", trip)
    broken.unchecked(message(placed(), BUYER, at("2026-01-02"), "e"))
    return {
        each.last[-1].dead_letter.reason: each.last[-1].dead_letter
        for each in (jumped, unmatched, ill, unknown, full, broken)
    }


def misrouted() -> DeadLetter:
    record = records.record(records.placed())
    return deciding._misrouted(decode(record), Taken(record._replace(topic="rerouted"), decode(record)), NOW)


@pytest.fixture
def every(monkeypatch) -> dict[DeadLetterReason, DeadLetter]:
    """One dead letter of every reason, made by what makes it in a worker, each of a record of its own."""
    made = {**not_understood(), **not_decided(monkeypatch), Reason.MISROUTED: misrouted()}
    assert {reason: letter.reason for reason, letter in made.items()} == {reason: reason for reason in Reason}
    return {
        reason: replace(letter, source=replace(letter.source, offset=n))
        for n, (reason, letter) in enumerate(made.items())
    }


async def kept(lane, letters) -> list[DeadLetter]:
    await lane.settle()
    async with lane.connection.transaction():
        lock = await lanes.lock(lane.connection, lane.number, lane.claim.epoch)
        await write(lane.connection, replace(lane.nothing(lock), rejected=letters))
    return [kept.letter for kept in await dead_letters.dead_letters(lane.connection)]


async def test_it_is_read_back_from_postgres_as_it_was(lane, every):
    timer = Timer(BUYER, TimerKind.TRIAL_END, "o", NOW)
    told = [*every.values(), of_timer(timer, Reason.INTERNAL_ERROR, "KeyError in fire\nTraceback", NOW)]
    by_id = {each.dead_letter_id: each for each in told}
    assert {each.dead_letter_id: each for each in await kept(lane, told)} == by_id


async def test_kafka_and_postgres_tell_the_same_but_for_a_traceback(lane, every):
    for letter in await kept(lane, every.values()):
        detail = json.loads(encode_dead_letter(every[letter.reason]).value)["detail"]
        first, *more = letter.detail.split("\n")
        assert 0 < len(detail) <= MAX_DETAIL
        if letter.reason is Reason.INTERNAL_ERROR:
            assert detail == first
            assert re.fullmatch("ValueError in trip, line [0-9]+: a defect of postpay, please report it", detail)
            assert more[0].startswith("Traceback") and PRIVATE in more[-1]
        else:
            assert detail == letter.detail


@pytest.mark.parametrize("document", [DOCUMENT, RUNBOOK], ids=lambda path: path.name)
def test_documents_list_every_reason_in_its_order(document):
    text = document.read_text(encoding="utf-8")
    _, _, table = text.partition("| reason | the record |" if document == DOCUMENT else "| reason | what to do |")
    assert re.findall("^\\| `([a-z0-9_]+)` \\|", table.partition("\n\n")[0], re.MULTILINE) == [
        each.value for each in Reason
    ]
