"""Files of a history: records come back byte for byte, and what is damaged is told and never read."""

import json
from dataclasses import replace

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import RawRecord
from tests.unit.workers.replay.topics_in_memory import LANE, TopicsInMemory
from workers.lanes.claims import fingerprint
from workers.replay import lines
from workers.replay.exported import ContinuedRecords, FileRecords, continued_extent, file_extent, require_continued
from workers.replay.extent import HistoryError
from workers.replay.manifest import (
    HistoryFile,
    LaneManifest,
    Provenance,
    TopicFiles,
    lane_directory,
    write_whole,
)

PROVENANCE = Provenance("cluster", "p-", "database", 8, "wall")


def test_lanes_of_an_export_may_have_been_split_since(tmp_path):
    PROVENANCE.require(replace(PROVENANCE, lanes=16), tmp_path, may_grow=True)
    for other, may_grow in ((16, False), (12, True), (4, True)):
        with pytest.raises(HistoryError, match=f"lanes 8 there and {other} here"):
            PROVENANCE.require(replace(PROVENANCE, lanes=other), tmp_path, may_grow=may_grow)


raw = st.none() | st.binary(max_size=30) | st.text(st.characters(codec="utf-8"), max_size=30).map(str.encode)
names = st.text(st.characters(codec="utf-8"), max_size=8)
recorded = st.builds(
    RawRecord,
    topic=st.just("purchase"),
    partition=st.just(LANE),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**63 - 1),
    key=raw,
    value=raw,
    headers=st.lists(st.tuples(names, raw), max_size=3).map(tuple),
)


@given(st.lists(recorded, max_size=5))
def test_records_come_back_as_they_were_byte_for_byte(given_records):
    content = lines.compressed([lines.line(record) for record in given_records])
    assert list(lines.records(content, "purchase", LANE)) == given_records


def test_a_line_is_json_that_other_tools_read():
    line = lines.line(RawRecord("purchase", LANE, 7, 5, "账户".encode(), b"\xff", (("a", b"1"),)))
    assert json.loads(line) == {
        "offset": 7,
        "timestamp_ms": 5,
        "key": "账户",
        "value": {"base64": "/w=="},
        "headers": [["a", "1"]],
    }
    assert line.endswith(b"\n")


@pytest.mark.parametrize("content", [b"", b"no zstd", cramjam.zstd.compress(b"{}\n"), cramjam.zstd.compress(b"[1]")])
def test_what_holds_no_records_is_told(content):
    with pytest.raises(HistoryError, match=r"a file of purchase\[3\] holds what is no record"):
        list(lines.records(bytes(content), "purchase", LANE))


def exported(directory, topics, *, cuts=2):
    """Write topics as files of so many records."""
    lane_directory(directory, LANE).mkdir()
    made = {}
    for topic in topics.records:
        records, files = topics.records[topic], []
        for begin in range(0, len(records), cuts):
            some = records[begin : begin + cuts]
            end = records[begin + cuts].offset if begin + cuts < len(records) else topics.ends[topic]
            name = f"{topic}-{some[0].offset:020}.jsonl.zst"
            content = lines.compressed([lines.line(record) for record in some])
            write_whole(lane_directory(directory, LANE) / name, content)
            last = fingerprint(some[-1]).hex()
            files.append(HistoryFile(name, some[0].offset, end, len(some), len(content), lines.sha256(content), last))
        made[topic] = TopicFiles(0, topics.ends[topic], tuple(files))
    manifest = LaneManifest(LANE, made)
    manifest.save(directory)
    PROVENANCE.save(directory)
    return LaneManifest.load(directory, LANE)


@pytest.fixture
def topics():
    made = TopicsInMemory()
    made.add("purchase", *(b"%d" % number for number in range(7)), gap=1)
    made.add("repayment", b"1")
    made.marker("repayment")
    for number in range(3):
        made.log(purchase=(4 * number, 4 * number + 4, 2))
    return made


async def test_files_give_the_records_of_any_range_forwards(topics, tmp_path):
    files = FileRecords(tmp_path, exported(tmp_path, topics))
    for first, end in [(0, 1), (1, 4), (4, 5), (9, 12), (12, 14)]:
        assert await files.read("purchase", first, end) == await topics.read("purchase", first, end), (first, end)
    assert await files.read("repayment", 0, 2) == topics.records["repayment"]
    assert await files.read("clock", 0, 0) == []


async def test_files_say_what_there_is_and_the_last_batch(topics, tmp_path):
    topics.claim()
    topics.claim()
    extent = file_extent(tmp_path, exported(tmp_path, topics))
    assert (extent.starts["purchase"], extent.ends["purchase"], extent.ends["clock"]) == (0, 14, 0)
    assert extent.last.batch_seq == 3


async def test_files_say_from_where_a_lane_goes_on_as_a_split_that_was_killed_said_at_last(tmp_path):
    topics = TopicsInMemory()
    for batch_seq, from_lane in ((100, 1), (100, 1), (101, 1), (130, LANE)):
        topics.branch(batch_seq, from_lane)
    topics.claim()
    topics.branch(150)
    assert file_extent(tmp_path, exported(tmp_path, topics)).begins.batch_seq == 101


async def test_one_file_of_a_topic_is_opened_when_it_is_needed_and_no_earlier(topics, tmp_path):
    manifest = exported(tmp_path, topics)
    (lane_directory(tmp_path, LANE) / manifest.topics["purchase"].files[-1].name).unlink()
    files = FileRecords(tmp_path, manifest)
    assert len(await files.read("purchase", 0, 10)) == 5
    with pytest.raises(HistoryError, match=r"cannot be read .*bring back a copy"):
        await files.read("purchase", 10, 14)


@pytest.mark.parametrize("position", [0, 20, -1])
async def test_a_flipped_bit_of_a_file_is_told_with_its_name(topics, tmp_path, position):
    manifest = exported(tmp_path, topics)
    file = lane_directory(tmp_path, LANE) / manifest.topics["purchase"].files[1].name
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    with pytest.raises(HistoryError, match=f"{file.name} is damaged"):
        await FileRecords(tmp_path, manifest).read("purchase", 0, 14)


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("history.json", Provenance.load),
        (f"lane-0{LANE}/manifest.json", lambda directory: LaneManifest.load(directory, LANE)),
    ],
)
@pytest.mark.parametrize(
    "damage", [lambda text: text[:-30], lambda text: text.replace(b": 1", b": 2", 1), lambda _: b""]
)
def test_a_damaged_manifest_is_told_with_its_name(topics, tmp_path, name, load, damage):
    exported(tmp_path, topics)
    file = tmp_path / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(HistoryError, match=f"{file.name} is damaged"):
        load(tmp_path)


def test_a_manifest_of_a_newer_release_is_left_to_that(topics, tmp_path, monkeypatch):
    monkeypatch.setattr("workers.replay.manifest.FORMAT", 2)
    exported(tmp_path, topics)
    monkeypatch.undo()
    with pytest.raises(HistoryError, match="a newer postpay"):
        LaneManifest.load(tmp_path, LANE)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("cluster_id", "cluster_id 'cluster' there and 'other' here"),
        ("prefix", "prefix 'p-' there and 'other' here"),
        ("clock", "clock 'wall' there and 'other' here"),
        ("database_id", "database_id 'database' there and 'other' here"),
    ],
)
def test_another_history_is_refused_with_both_sides(tmp_path, field, said):
    with pytest.raises(HistoryError, match=said):
        PROVENANCE.require(replace(PROVENANCE, **{field: "other"}), tmp_path)


def test_a_database_may_be_named_later(tmp_path):
    replace(PROVENANCE, database_id="").require(PROVENANCE, tmp_path)


# Continued by the brokers.


class Broker(TopicsInMemory):
    """The brokers, which may have deleted what is old."""

    deleted = 0
    asked: tuple = ()

    async def starts(self):
        return dict.fromkeys(self.records, self.deleted)

    def begin(self, positions):
        self.asked = tuple(positions)

    async def read(self, topic, first, end):
        assert first >= self.deleted
        return await super().read(topic, first, end)


@pytest.fixture
def broker(topics):
    return Broker(topics.records.copy(), topics.ends.copy())


async def test_what_came_after_an_export_is_read_from_the_brokers(topics, broker, tmp_path):
    manifest = exported(tmp_path, topics)
    broker.records["purchase"] = list(topics.records["purchase"])
    broker.add("purchase", b"new", b"newer")
    broker.deleted = 14
    both = ContinuedRecords(tmp_path, manifest, broker)
    assert await both.read("purchase", 0, 5) == await topics.read("purchase", 0, 5)
    assert [each.offset for each in await both.read("purchase", 5, 15)] == [5, 7, 9, 11, 13, 14]
    assert [each.offset for each in await both.read("purchase", 15, 16)] == [15]
    extent = continued_extent(tmp_path, manifest, broker.extent(purchase=14))
    assert (extent.starts["purchase"], extent.ends["purchase"], extent.last.batch_seq) == (0, 16, 3)


def test_what_is_gone_between_an_export_and_the_brokers_is_told(topics, broker, tmp_path):
    manifest = exported(tmp_path, topics)
    with pytest.raises(HistoryError, match=r"purchase\[3\] was exported up to offset 14, .* from offset 15 on"):
        continued_extent(tmp_path, manifest, broker.extent(purchase=15))


def test_a_topic_that_is_shorter_than_its_export_is_told(topics, broker, tmp_path):
    manifest = exported(tmp_path, topics)
    broker.ends["purchase"] = 13
    with pytest.raises(HistoryError, match="it was made anew"):
        continued_extent(tmp_path, manifest, broker.extent())


async def test_another_record_where_the_last_exported_one_stood_is_told(topics, broker, tmp_path):
    manifest = exported(tmp_path, topics)
    await require_continued(manifest, broker)
    assert set(broker.asked) == {"purchase", "repayment", "lane-log"}
    broker.records["repayment"] = [broker.records["repayment"][0]._replace(value=b"2")]
    with pytest.raises(HistoryError, match=r"repayment\[3\] does not have the record at offset 0 that was exported"):
        await require_continued(manifest, broker)


async def test_a_last_record_that_the_brokers_have_deleted_is_not_asked_for(topics, broker, tmp_path):
    broker.deleted = 14
    await require_continued(exported(tmp_path, topics), broker)
    assert broker.asked == ()
