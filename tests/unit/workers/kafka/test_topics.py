from dataclasses import replace

import pytest

from contracts.topics import LANE_TOPICS, Topic
from workers.kafka import topics
from workers.settings.model import Kafka, Postgres, Settings
from workers.settings.model import Topics as TopicSettings


@pytest.fixture
def production() -> Settings:
    return Settings(
        profile="production",
        lanes=32,
        kafka=Kafka(security_protocol="SSL"),
        postgres=Postgres(dsn="postgresql://postpay:qP3-unlike@db/postpay?sslmode=require"),
        topics=TopicSettings(prefix="live."),
    )


@pytest.fixture
def as_wanted(production):
    return {
        each.name: topics.Found(each.name, each.partitions, each.replicas, each.configs)
        for each in topics.wanted(production)
    }


def test_all_topics_have_the_prefix_and_a_partition_for_each_lane(production):
    wanted = topics.wanted(production)
    assert {each.name for each in wanted} == {f"live.{topic}" for topic in Topic}
    assert {each.partitions for each in wanted} == {32}


def test_what_a_lane_reads_and_the_lane_log_are_kept_for_ever(production):
    kept = {
        each.name.removeprefix("live.")
        for each in topics.wanted(production)
        if each.configs.get("retention.ms") == each.configs.get("retention.bytes") == "-1"
    }
    assert kept == {*LANE_TOPICS, "lane-log"}
    assert {each.configs["cleanup.policy"] for each in topics.wanted(production)} == {"delete"}


def test_production_wants_three_replicas_two_of_them_in_sync(production):
    wanted = topics.wanted(production)
    assert {(each.replicas, each.configs["min.insync.replicas"]) for each in wanted} == {(3, "2")}


def test_development_takes_one_broker():
    assert {each.replicas for each in topics.wanted(Settings())} == {1}


def test_what_is_as_wanted_differs_in_nothing(production, as_wanted):
    assert list(topics.differences(topics.wanted(production), as_wanted)) == []


def test_more_replicas_and_larger_messages_are_no_difference(production, as_wanted):
    better = {
        name: topics.Found(name, 32, 5, {**each.configs, "min.insync.replicas": "3", "max.message.bytes": "99999999"})
        for name, each in as_wanted.items()
    }
    assert list(topics.differences(topics.wanted(production), better)) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"partitions": 8}, "live.purchase: expected partitions 32, found 8"),
        ({"replicas": 1}, "live.purchase: expected replicas at least 3, found 1"),
        ({"retention.ms": "604800000"}, "live.purchase: expected retention.ms -1, found 604800000"),
        ({"retention.bytes": "1"}, "live.purchase: expected retention.bytes -1, found 1"),
        ({"cleanup.policy": "compact"}, "live.purchase: expected cleanup.policy delete, found compact"),
        ({"min.insync.replicas": "1"}, "live.purchase: expected min.insync.replicas at least 2, found 1"),
        ({"max.message.bytes": "1048588"}, "live.purchase: expected max.message.bytes at least 2097152, found 1048588"),
    ],
)
def test_a_difference_names_topic_setting_expectation_and_finding(production, as_wanted, found, said):
    right = as_wanted["live.purchase"]
    as_wanted["live.purchase"] = topics.Found(
        "live.purchase",
        found.pop("partitions", right.partitions),
        found.pop("replicas", right.replicas),
        {**right.configs, **found},
    )
    assert [str(each) for each in topics.differences(topics.wanted(production), as_wanted)] == [said]


def test_a_missing_topic_is_one_difference(production, as_wanted):
    del as_wanted["live.terms"]
    assert [str(each) for each in topics.differences(topics.wanted(production), as_wanted)] == [
        "live.terms: expected the topic to exist, found none"
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (lambda _: {}, ["Kafka at 127.0.0.1:9092 has no topic live.purchase and 16 more; run: postpay topics create"]),
        (
            lambda there: {name: replace(each, partitions=8) for name, each in there.items()},
            [
                (
                    "the topics of Kafka at 127.0.0.1:9092 have 8 partitions, POSTPAY_LANES says 32; set"
                    " POSTPAY_LANES=8 (more lanes are made by: postpay lane split)"
                )
            ],
        ),
        (
            lambda there: there | {"live.clock": replace(there["live.clock"], partitions=8)},
            ["live.clock: expected partitions 32, found 8; lanes are made by: postpay lane split"],
        ),
        (
            lambda there: {name: each for name, each in there.items() if name != "live.clock"},
            ["Kafka at 127.0.0.1:9092 has no topic live.clock; run: postpay topics create"],
        ),
    ],
)
def test_people_are_told_in_one_line_what_to_do(production, as_wanted, found, said):
    assert topics.in_short(production, list(topics.differences(topics.wanted(production), found(as_wanted)))) == said
