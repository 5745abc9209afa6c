import json
import tomllib
from pathlib import Path

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.topics import Topic
from settlement.terms import TermsBook
from tests.integration.cli.conftest import Command, lines, record
from tests.platform import Message, eventually
from workers.kafka.clients import administering


async def test_migrate_makes_a_database_and_does_nothing_the_second_time(stack, empty_database):
    postpay = Command({"POSTPAY_POSTGRES__DSN": empty_database.dsn, "POSTPAY_LANES": "3"})
    first = postpay("migrate", "--json")
    assert first.code == 0, first.err
    assert first.json["lanes"] == 3
    assert first.json["applied"]
    second = postpay("migrate", "--json").json
    assert second == {"applied": [], "database_id": first.json["database_id"], "lanes": 3, "distributed": []}
    assert "is up to date, with 3 lanes" in postpay("migrate").out


async def test_migrate_checks_without_changing_anything(stack, empty_database):
    postpay = Command({"POSTPAY_POSTGRES__DSN": empty_database.dsn, "POSTPAY_LANES": "3"})
    ran = postpay("migrate", "--check", "--json")
    assert ran.code == 1
    assert ran.json == {"findings": ["the database lacks migration 0001_lanes; run `postpay migrate`"]}
    postpay("migrate")
    assert (postpay("migrate", "--check").code, postpay("migrate", "--check", "--json").json) == (0, {"findings": []})
    ran = postpay("migrate", "--check", POSTPAY_LANES="4")
    assert (ran.code, ran.out) == (1, "the database was made for 3 lanes, the settings say 4; set POSTPAY_LANES\n")


async def test_a_plain_postgres_is_not_distributed(stack, database):
    postpay = Command({"POSTPAY_POSTGRES__DSN": database.dsn, "POSTPAY_LANES": "8"})
    ran = postpay("migrate", "--distributed")
    assert ran.code == 2
    assert "has no extension citus; run CREATE EXTENSION citus" in ran.complaint
    assert postpay("migrate", "--distributed", "--check").code == 1


async def test_another_number_of_lanes_is_refused(stack, database):
    ran = Command({"POSTPAY_POSTGRES__DSN": database.dsn, "POSTPAY_LANES": "5"})("migrate")
    assert ran.code == 2
    assert "POSTPAY_LANES=8" in ran.complaint


async def test_topics_are_created_once_and_found_right(postpay):
    prefix = {"POSTPAY_TOPICS__PREFIX": postpay.environment["POSTPAY_TOPICS__PREFIX"] + "more-"}
    created = postpay("topics", "create", "--json", **prefix)
    assert created.code == 0
    assert (len(created.json["created"]), created.json["existed"]) == (len(Topic), [])
    again = postpay("topics", "create", **prefix)
    assert (again.code, again.out) == (0, f"0 topics created, {len(Topic)} existed\nall topics are as they must be\n")
    assert postpay("topics", "check", "--json", **prefix).json == {"ok": True, "differences": [], "rerouted": 0}


async def test_missing_topics_are_found(postpay):
    ran = postpay("topics", "check", "--json", POSTPAY_TOPICS__PREFIX="nothing-")
    assert ran.code == 1
    assert len(ran.json["differences"]) == len(Topic)


async def test_a_changed_retention_is_found(postpay, fresh):
    name = f"{fresh.prefix}purchase"
    changed = {
        "retention.ms": "60000",
        "retention.bytes": "-1",
        "cleanup.policy": "delete",
        "max.message.bytes": "2097152",
    }
    async with administering(fresh.settings.kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, changed)])
    await eventually(lambda: postpay("topics", "check").code == 1, 20)
    ran = postpay("topics", "check", "--json")
    assert ran.code == 1
    assert ran.json["differences"] == [{"topic": name, "what": "retention.ms", "expected": "-1", "found": "60000"}]
    assert f"{name}: expected retention.ms -1, found 60000" in postpay("topics", "check").out


async def test_compaction_and_too_small_messages_are_found(postpay, fresh):
    name = f"{fresh.prefix}lane-log"
    changed = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "compact", "max.message.bytes": "1000"}
    async with administering(fresh.settings.kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, changed)])
    await eventually(lambda: postpay("topics", "check").code == 1, 20)
    found = postpay("topics", "check", "--json").json["differences"]
    assert {(each["topic"], each["what"]) for each in found} == {(name, "cleanup.policy"), (name, "max.message.bytes")}


async def test_a_wrong_number_of_partitions_is_found(postpay, fresh):
    name = f"{fresh.prefix}repayment"
    async with administering(fresh.settings.kafka) as admin:
        await admin.create_partitions({name: NewPartitions(3)})
    await eventually(lambda: postpay("topics", "check").code == 1, 20)
    (found,) = postpay("topics", "check", "--json").json["differences"]
    assert found == {"topic": name, "what": "partitions", "expected": "2", "found": "3"}
    ran = postpay("lag")
    assert ran.code == 2
    assert f"{name}: expected partitions 2, found 3" in ran.complaint


@pytest.fixture
def later_terms(tmp_path) -> Path:
    """The terms of this release and a version that doubles the penalty from 2027 on."""
    document = json.loads(json.dumps(TermsBook.builtin().document))
    later = json.loads(json.dumps(document["versions"][-1]))
    later |= {"effective_from": "2027-01-01", "penalty_bps_per_day": 10}
    document["versions"].append(later)
    file = tmp_path / "terms.json"
    file.write_text(json.dumps(document))
    return file


async def test_terms_are_published_to_every_lane(postpay, later_terms):
    sent = postpay("terms", "publish", str(later_terms), "--json")
    assert sent.code == 0, sent.err
    assert sent.json["partitions"] == 2
    got = postpay("consume", "terms").lines
    assert sorted(each["partition"] for each in got) == [0, 1]
    assert {each["value"]["event_id"] for each in got} == {sent.json["event_id"]}
    assert got[0]["value"]["terms"]["versions"][-1]["penalty_bps_per_day"] == 10


async def test_terms_may_be_written_in_toml_with_its_own_dates(postpay, tmp_path):
    text = (Path(__file__).parents[3] / "settlement" / "terms.toml").read_text()
    file = tmp_path / "terms.toml"
    file.write_text(text.replace('effective_from = "2020-01-01"', "effective_from = 2020-01-01"))
    assert tomllib.loads(file.read_text())["versions"][0]["effective_from"].year == 2020
    sent = postpay("terms", "publish", str(file), "--json")
    assert sent.code == 0, sent.err
    assert sent.json["digest"] == TermsBook.builtin().digest.hex()


async def test_wrong_terms_are_not_sent_and_the_field_is_named(postpay, later_terms):
    document = json.loads(later_terms.read_text())
    document["versions"][1]["penalty_bps_per_day"] = "ten"
    later_terms.write_text(json.dumps(document))
    ran = postpay("terms", "publish", str(later_terms))
    assert ran.code == 1
    assert "versions[1].penalty_bps_per_day: expected a whole number" in ran.complaint
    assert postpay("consume", "terms").out == ""


async def test_terms_that_change_a_version_in_force_are_refused(postpay, later_terms):
    document = json.loads(later_terms.read_text())
    document["versions"][0]["reminder_days"] = 4
    later_terms.write_text(json.dumps(document))
    ran = postpay("terms", "publish", str(later_terms))
    assert ran.code == 1
    assert "these terms may not follow those in force" in ran.complaint


async def test_a_terms_file_that_is_missing_is_misuse_and_one_that_is_no_json_is_wrong(postpay, tmp_path):
    assert postpay("terms", "publish", str(tmp_path / "none.toml")).code == 2
    (tmp_path / "bad.json").write_text("{")
    assert postpay("terms", "publish", str(tmp_path / "bad.json")).code == 1


async def test_lag_without_a_worker_counts_what_is_left_and_waits_in_vain(postpay):
    opened = record("credit-line", "a-1", "credit_line.opened", "e-1", "2026-01-01T10:00:00+08:00")
    assert postpay("produce", "-", stdin=lines(*[opened] * 3)).code == 0
    ran = postpay("lag", "--json")
    assert (ran.code, ran.json["records"], ran.json["caught_up"]) == (0, 3, False)
    (behind,) = [each for each in ran.json["settled"] if each["records"]]
    assert (behind["topic"], behind["next_offset"], behind["end_offset"]) == ("credit-line", 0, 3)
    assert behind["seconds"] > 0
    assert postpay("lag", "--wait", "1").code == 1


async def test_transaction_markers_and_aborted_records_are_no_lag(postpay, fresh):
    """The stored position is before them, and no reader will ever get anything there."""
    async with fresh.producer(transactional_id=fresh.prefix) as producer:
        await producer.begin_transaction()
        for _ in range(5):
            await fresh.put(producer, Message(Topic.PURCHASE, "a-1", b"{}"))
        await producer.abort_transaction()
    ran = postpay("lag", "--json", "--wait", "20")
    assert (ran.code, ran.json["records"]) == (0, 0)
    assert max(each["end_offset"] for each in ran.json["settled"]) == 6


async def test_dev_without_its_packages_says_how_to_get_them(postpay, tmp_path):
    """A production install has no psutil, jgo or Java."""
    (tmp_path / "psutil").mkdir()
    (tmp_path / "psutil" / "__init__.py").write_text("raise ModuleNotFoundError('no psutil', name='psutil')")
    ran = postpay.process("dev", "up", PYTHONPATH=str(tmp_path))
    assert ran.code == 2
    assert "pip install 'postpay[dev]'" in ran.complaint
    assert postpay.process("--help", PYTHONPATH=str(tmp_path)).code == 0
