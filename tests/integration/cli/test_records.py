import asyncio
import base64
import json

import pytest

from contracts.topics import Topic
from tests.integration.cli.conftest import lines
from tests.platform import Message, eventually
from workers.kafka.homes import home_of


def line(topic="purchase", key="a-1", value=None, **more):
    return {"topic": topic, "key": key, "value": {"n": 1} if value is None else value, **more}


RAW = {"base64": base64.b64encode(b"\x00\xff{").decode()}


async def test_what_was_produced_is_consumed_again_with_keys_headers_and_raw_bytes(postpay):
    given = [
        line(key="a-1", value={"n": 1, "name": "甲", "deep": [1, {"x": None}]}, headers={"traceparent": "00-1"}),
        line(key="a-1", value=RAW),
        line(key="a-1", value="text"),
        line(key={"base64": "/w=="}, value={"n": 2}, headers=[["h", "1"], ["h", {"base64": "/w=="}]]),
    ]
    sent = postpay("produce", "-", "--json", stdin=lines(*given))
    assert (sent.code, sent.json) == (0, {"records": 4, "topics": {"purchase": 4}})
    got = postpay("consume", "purchase").lines
    assert all(set(each) == {"topic", "partition", "offset", "key", "headers", "value"} for each in got)
    plain = [{"topic": e["topic"], "key": e["key"], "value": e["value"], "headers": e["headers"]} for e in got]
    assert {json.dumps(each, sort_keys=True) for each in plain} == {
        json.dumps({"headers": {}} | each, sort_keys=True) for each in given
    }
    again = postpay("produce", "-", stdin="".join(json.dumps(each) + "\n" for each in got))
    assert again.code == 0, again.err
    assert len(postpay("consume", "purchase").lines) == 8


async def test_keys_go_where_javas_clients_put_them(postpay, fresh):
    keys = [f"account-{number}" for number in range(20)]
    postpay("produce", "-", stdin=lines(*(line(key=key) for key in keys)))
    got = postpay("consume", "purchase").lines
    assert {each["key"]: each["partition"] for each in got} == {key: home_of(key, 2) for key in keys}
    assert {each["partition"] for each in got} == {0, 1}


async def test_a_line_for_clock_or_terms_goes_to_every_partition(postpay):
    given = [line("clock", None, {"n": 1}), line("terms", "any", {"n": 2}), line("purchase", None, {"n": 3})]
    sent = postpay("produce", "-", "--json", stdin=lines(*given))
    assert sent.json == {"records": 5, "topics": {"clock": 2, "purchase": 1, "terms": 2}}
    got = postpay("consume", "clock", "terms", "purchase").lines
    assert sorted(each["partition"] for each in got if each["topic"] == "clock") == [0, 1]
    assert sorted(each["partition"] for each in got if each["topic"] == "terms") == [0, 1]
    assert {each["key"] for each in got if each["topic"] == "clock"} == {None}


async def test_a_tombstone_is_null_both_ways(postpay):
    postpay("produce", "-", stdin='{"topic": "purchase", "key": "a-1", "value": null}\n')
    (got,) = postpay("consume", "purchase").lines
    assert got["value"] is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b'{"base64": "AP8="}', b"\xef\xbb\xbf{}", b'{"a":1,"a":2}', b"NaN", b'{"a":1e999}', b"[" * 20_000],
)
async def test_bytes_that_would_read_back_otherwise_are_shown_as_bytes(postpay, fresh, raw):
    await fresh.send([Message(Topic.PURCHASE, "a-1", raw)])
    (got,) = postpay("consume", "purchase").lines
    assert base64.b64decode(got["value"]["base64"]) == raw


async def test_what_was_not_committed_is_not_shown(postpay, fresh):
    async with fresh.producer(transactional_id=fresh.prefix) as producer:
        await producer.begin_transaction()
        await fresh.put(producer, Message(Topic.PURCHASE, "a-1", b'"aborted"'))
        await producer.abort_transaction()
        async with producer.transaction():
            await fresh.put(producer, Message(Topic.PURCHASE, "a-1", b'"committed"'))
    assert [each["value"] for each in postpay("consume", "purchase").lines] == ["committed"]


async def test_consume_follows_what_comes_in(postpay, tmp_path):
    log = tmp_path / "followed"
    following = postpay.start("consume", "purchase", "--follow", log=log)
    try:
        for number in (1, 2):
            postpay("produce", "-", stdin=lines(line(value={"n": number})))
            await eventually(lambda n=number: f'{{"n": {n}}}' in log.read_text(), 30, log.read_text)
        following.send_signal(2)
        assert await asyncio.to_thread(following.wait, 20) == 130
    finally:
        following.kill()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("{", "line 2: expected one JSON object, got {"),
        ("[1]", "line 2: expected one JSON object, got [1]"),
        ('{"topic": "purchase", "key": "a"}', 'line 2: expected "value"'),
        ('{"topic": "purchases", "key": "a", "value": 1}', "line 2: expected a topic without prefix"),
        ('{"topic": "payout", "key": "a", "value": 1}', "which only postpay writes"),
        ('{"topic": "purchase", "key": 7, "value": 1}', 'line 2: expected "key" to be a string'),
        ('{"topic": "purchase", "key": "a", "value": {"base64": "%"}}', "line 2: expected base64"),
        ('{"topic": "purchase", "key": "a", "value": 1, "header": {}}', 'got "header"'),
        ('{"topic": "purchase", "key": "a", "value": 1, "headers": [1]}', 'line 2: expected "headers"'),
    ],
)
async def test_a_line_that_cannot_be_sent_is_named_and_those_before_it_are_sent(shop, wrong, complaint):
    ran = shop.postpay("produce", "-", stdin=f"\n{wrong}\n")
    assert ran.code == 2
    assert complaint in ran.complaint


async def test_lines_before_a_wrong_one_are_sent(postpay):
    ran = postpay("produce", "-", stdin=lines(line(value={"n": 1})) + "no json\n" + lines(line(value={"n": 3})))
    assert ran.code == 2
    assert "line 2:" in ran.complaint
    assert [each["value"] for each in postpay("consume", "purchase").lines] == [{"n": 1}]


async def test_a_record_that_the_broker_does_not_take_is_named(postpay):
    too_large = {"base64": base64.b64encode(bytes(3_000_000)).decode()}
    ran = postpay("produce", "-", stdin=lines(line(), line(value=too_large)))
    assert ran.code == 2
    assert "line 2: expected a record that the broker takes" in ran.complaint


async def test_a_file_is_read_and_a_missing_one_is_misuse(postpay, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text(lines(line()))
    assert postpay("produce", str(file)).out == "1 record sent: purchase 1\n"
    assert "expected a file of JSON lines" in postpay("produce", str(tmp_path / "none")).complaint


async def test_unknown_topics_are_misuse_and_missing_ones_are_said_how_to_make(postpay):
    assert postpay("consume", "purchases").code == 2
    ran = postpay("consume", "purchase", POSTPAY_TOPICS__PREFIX="other-")
    assert "topic other-purchase does not exist; run: postpay topics create" in ran.complaint
    ran = postpay("produce", "-", stdin=lines(line()), POSTPAY_TOPICS__PREFIX="other-")
    assert "run: postpay topics create" in ran.complaint
