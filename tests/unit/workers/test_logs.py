import asyncio
import contextlib
import io
import json
import logging
from pathlib import Path

import asyncpg
import pytest
from aiokafka.errors import NodeNotReadyError

from workers import logs
from workers.settings.model import Log


@pytest.fixture(autouse=True)
def logging_as_before():
    root = logging.getLogger()
    before = (root.handlers, root.level)
    yield
    root.handlers, root.level = before


@pytest.fixture
def written():
    stream = io.StringIO()
    logs.configure(Log(), stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_event_level_logger_and_utc_time(written):
    logs.get("workers.lanes.lane").warning("database away", lane=3)
    (line,) = written()
    assert (line["event"], line["level"], line["logger"], line["lane"]) == (
        "database away",
        "warning",
        "workers.lanes.lane",
        3,
    )
    assert line["timestamp"].endswith("Z")


def test_fields_that_nobody_named_are_left_out_and_their_names_told(written):
    logs.get("x").info("inspected", evidence=["https://evidence/1"], contact="13800000000", name="王", lane=1)
    (line,) = written()
    assert "evidence/1" not in json.dumps(line)
    assert "13800000000" not in json.dumps(line)
    assert line["withheld"] == ["contact", "evidence", "name"]


def test_ids_show_only_their_ends(written):
    logs.get("x").info("settled", account_id="account-123456", order_id=b"order-9876", merchant_id="m-1")
    (line,) = written()
    assert (line["account_id"], line["order_id"], line["merchant_id"]) == ("…3456", "…9876", "…")


def test_an_exception_is_told_without_the_row_that_postgres_names(written):
    failed = ValueError("duplicate key\nDETAIL:  Key (account_id)=(account-123456) exists")
    logs.get("x").error("lane stopped", lane=1, exc_info=failed)
    (line,) = written()
    assert line["exception"] == "ValueError: duplicate key"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def test_every_error_of_a_chain_and_of_a_group_is_told_with_its_frames_and_without_values(written):
    no_number = asyncpg.DataError("invalid input for query argument $1: 'account-123456' (an integer is required)")
    failed = raised(ExceptionGroup("two", [raised(ValueError("bad\nrow account-123456"))]), raised(no_number))
    logs.get("x").error("lane stopped", exc_info=failed)
    (line,) = written()
    assert "account-123456" not in line["exception"]
    assert line["exception"].count("Traceback") == 3
    said = [text for text in line["exception"].splitlines() if ": " in text and not text.startswith(" ")]
    assert said == [
        "DataError: invalid input for query argument $1",
        "ExceptionGroup: two (1 sub-exception)",
        "ValueError: bad",
    ]


def test_errors_that_are_each_others_context_are_told_once(written):
    one, other = ValueError("one"), KeyError()
    one.__context__, other.__context__ = other, one
    logs.get("x").error("lane stopped", exc_info=one)
    (line,) = written()
    assert line["exception"].split("\n") == ["KeyError", "", "and while it was handled:", "", "ValueError: one"]


def test_what_other_libraries_say_comes_out_the_same_way(written):
    log = logging.getLogger("aiokafka.consumer")
    log.error("unexpected in %s", "fetcher", exc_info=AssertionError("odd"), extra={"value": b"secret"})
    (line,) = written()
    assert (line["event"], line["logger"]) == ("unexpected in fetcher", "aiokafka.consumer")
    assert line["exception"] == "AssertionError: odd"
    assert "secret" not in json.dumps(line)


@pytest.mark.parametrize(
    ("library", "error"),
    [
        ("aiokafka", None),
        ("aiokafka.consumer.group_coordinator", NodeNotReadyError("1")),
        ("asyncpg.pool", asyncpg.ConnectionDoesNotExistError("closed")),
        ("asyncpg.pool", TimeoutError()),
        ("mode", ConnectionRefusedError(111, "refused")),
        ("workers.kafka.transport", None),
    ],
)
def test_what_other_libraries_say_of_an_outage_is_left_out(written, library, error):
    logging.getLogger(library).error("away", exc_info=error)
    logging.getLogger(library).info("[^LaneApp]: Starting...")
    assert written() == []


def test_what_asyncio_warns_of_comes_out(written):
    logging.getLogger("asyncio").error("Task was destroyed but it is pending!")
    assert [line["logger"] for line in written()] == ["asyncio"]


@pytest.mark.parametrize("library", ["aiokafka.consumer.fetcher", "asyncpg.pool", "workers.kafka.app"])
def test_what_other_libraries_repeat_is_said_once_while_it_lasts(written, library):
    for attempt in range(100):
        logging.getLogger(library).error("Failed to reach %s: %s", attempt, "gone", exc_info=KeyError())
        logging.getLogger("workers.lanes.lane").error("ours %s", attempt)
    assert [line["event"] for line in written() if line["logger"] == library] == ["Failed to reach 0: gone"]
    assert len(written()) == 101


def test_what_other_libraries_repeat_is_said_again_after_a_quiet_time(written, monkeypatch):
    monkeypatch.setattr(logs, "REPEATED_WITHIN_S", -1.0)
    for _ in range(2):
        logging.getLogger("aiokafka").error("gone", exc_info=KeyError())
    assert len(written()) == 2


def test_steps_of_other_libraries_are_told_at_debug_only(written):
    logging.getLogger("faust").info("starting")
    assert written() == []
    stream = io.StringIO()
    logs.configure(Log(level="debug"), stream)
    logging.getLogger("faust").info("starting")
    logging.getLogger("aiokafka").debug("whole request with its records")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["starting"]


def test_a_lasting_state_is_told_when_it_begins_and_when_it_ends(written):
    states = logs.ChangeOfState(logs.get("x"))
    for _ in range(3):
        states.enter("database", "database away", lane=1)
    states.enter("broker", "broker away")
    for _ in range(2):
        states.leave("database", "database back", lane=1)
    assert [line["event"] for line in written()] == ["database away", "broker away", "database back"]


async def test_lines_of_one_event_are_bounded_and_those_left_out_are_counted(written):
    lines = logs.Bounded(logs.get("x"), most=2, period_s=0.05)
    for offset in range(5):
        lines.write("dead letter", offset=offset)
    lines.write("a timer failed", level="error")
    said = written()
    assert [line["event"] for line in said] == ["dead letter", "dead letter", "a timer failed"]
    async with asyncio.timeout(10):
        while len(written()) == len(said):
            await asyncio.sleep(0.005)
    assert [(line["event"], line["detail"], line["records"]) for line in written()[3:]] == [
        (logs.LEFT_OUT, "dead letter", 3)
    ]
    lines.write("dead letter", offset=5)
    assert written()[-1]["offset"] == 5


def test_console_lines_are_for_people():
    stream = io.StringIO()
    logs.configure(Log(format="console"), stream)
    logs.get("x").info("lane claimed", lane=3)
    assert "lane claimed" in stream.getvalue()
    assert "lane=3" in stream.getvalue()
    assert "\x1b[" not in stream.getvalue()


def test_a_log_on_a_full_disk_is_told_of_once_and_holds_nobody_up(capsys):
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
        logs.configure(Log(), full)
        for _ in range(3):
            logs.get("workers.worker").info("worker began")
    assert capsys.readouterr().err == "error: the log is lost for now: [Errno 28] No space left on device\n"
