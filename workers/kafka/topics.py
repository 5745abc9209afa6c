"""The topics as they must be: made once, compared ever after.

Lane topics and the lane-log are the record of everything that happened, so nothing in them may expire or be compacted.
Source: docs/protocol.md, Topics.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from contracts.topics import LANE_TOPICS, OUTPUT_TOPICS, Topic
from workers.kafka.clients import administering, ends_of, reading
from workers.settings.model import Settings

# Producers' messages may be 256 KiB; larger ones must still get in, so that they end as a dead letter with a reason
# and don't stand in their producer's way with an error of the broker.
INPUT_MAX_BYTES = 2 * 1024 * 1024
# What we send: an input re-routed with its headers, a dead letter, a list of outputs. Checked before COMMIT.
OUTPUT_MAX_BYTES = 4 * 1024 * 1024
REPLICAS = 3
MIN_IN_SYNC = 2
FOR_EVER = "-1"
ALREADY_EXISTS = 36
KNOWN_WITHIN_S = 15.0
"""A cluster's brokers hear of new topics within a second. At worst the command ends before they do, and who comes next
waits for metadata."""
LOOK_AGAIN_S = 0.1

THE_TOPIC, PARTITIONS = "the topic", "partitions"
UNREADABLE = frozenset({THE_TOPIC, PARTITIONS})
"""Differences with which nothing can be read."""

OURS = frozenset({*OUTPUT_TOPICS, Topic.REROUTED, Topic.MERCHANT_ACTIVITY})
KEPT_FOR_EVER = frozenset({*LANE_TOPICS, Topic.LANE_LOG})


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic must be."""

    name: str
    partitions: int
    replicas: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """How a topic is."""

    name: str
    partitions: int
    replicas: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing about one topic that is not as it must be; `topic` is the name on the broker."""

    topic: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: expected {self.what} {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Creation:
    """What `create` did: names on the broker."""

    created: list[str]
    existed: list[str]


class TopicNotCreatedError(Exception):
    """The broker refused to make a topic."""


class TopicsError(Exception):
    """Topics are missing, or have other partitions than there are lanes; says in one line what to do."""


def wanted(settings: Settings) -> list[TopicSpec]:
    """Every topic of postpay as the settings want it, with its prefix."""
    replicated = settings.profile == "production"
    return [
        TopicSpec(
            name=settings.topics.prefix + topic,
            partitions=settings.lanes,
            replicas=REPLICAS if replicated else 1,
            configs=_configs(topic, replicated=replicated),
        )
        for topic in Topic
    ]


def _configs(topic: Topic, *, replicated: bool) -> dict[str, str]:
    configs = {
        "cleanup.policy": "delete",
        "max.message.bytes": str(OUTPUT_MAX_BYTES if topic in OURS else INPUT_MAX_BYTES),
    }
    if topic in KEPT_FOR_EVER:
        configs |= {"retention.ms": FOR_EVER, "retention.bytes": FOR_EVER}
    if replicated:
        configs["min.insync.replicas"] = str(MIN_IN_SYNC)
    return configs


def differences(wanted_topics: Iterable[TopicSpec], found_topics: Mapping[str, Found]) -> Iterator[Difference]:
    """Compare; more replicas and larger messages than wanted are no difference."""
    for topic in wanted_topics:
        found = found_topics.get(topic.name)
        if found is None:
            yield Difference(topic.name, THE_TOPIC, "to exist", "none")
            continue
        if found.partitions != topic.partitions:
            yield Difference(topic.name, PARTITIONS, str(topic.partitions), str(found.partitions))
        if found.replicas < topic.replicas:
            yield Difference(topic.name, "replicas", f"at least {topic.replicas}", str(found.replicas))
        for name, value in topic.configs.items():
            present = found.configs.get(name, "nothing")
            if name in {"max.message.bytes", "min.insync.replicas"}:
                if not present.isdigit() or int(present) < int(value):
                    yield Difference(topic.name, name, f"at least {value}", present)
            elif present != value:
                yield Difference(topic.name, name, value, present)


def in_short(settings: Settings, found: Sequence[Difference]) -> list[str]:
    """Differences for people, with what to do: what is the same of many topics is one line.

    Args:
        settings: those that the topics were compared with.
        found: all differences.
    """
    where = f"Kafka at {settings.kafka.bootstrap}"
    missing = [each.topic for each in found if each.what == THE_TOPIC]
    partitions = [each for each in found if each.what == PARTITIONS]
    lines = []
    if partitions and len({each.found for each in partitions}) == 1 and len(partitions) + len(missing) == len(Topic):
        lanes = partitions[0].found
        lines.append(
            f"the topics of {where} have {lanes} partitions, POSTPAY_LANES says {settings.lanes}; set"
            f" POSTPAY_LANES={lanes} (more lanes are made by: postpay lane split)"
        )
        partitions = []
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        lines.append(f"{where} has no topic {missing[0]}{more}; run: postpay topics create")
    lines += [f"{each}; lanes are made by: postpay lane split" for each in partitions]
    return lines + [str(each) for each in found if each.what not in UNREADABLE]


async def require(settings: Settings) -> None:
    """All topics must be there, with a partition for each lane: a consumer would wait for one that is missing.

    Raises:
        TopicsError: one is not.
        BrokerUnreachableError: no broker answered.
    """
    found = [each for each in await check(settings) if each.what in UNREADABLE]
    if found:
        raise TopicsError(in_short(settings, found)[0])


async def check(settings: Settings) -> list[Difference]:
    """Say what differs on the broker; empty when all is well.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    needed = wanted(settings)
    async with administering(settings.kafka) as admin:
        return list(differences(needed, await _found(admin, [topic.name for topic in needed])))


async def create(settings: Settings) -> Creation:
    """Make the topics that are missing; those that exist are left as they are, right or wrong.

    Returns when every broker asked knows them and each partition has a leader, or after KNOWN_WITHIN_S.

    Raises:
        BrokerUnreachableError: no broker answered.
        TopicNotCreatedError: the broker refused, and says why.
    """
    needed = wanted(settings)
    async with administering(settings.kafka) as admin:
        response = await admin.create_topics(
            [NewTopic(each.name, each.partitions, each.replicas, topic_configs=dict(each.configs)) for each in needed]
        )
        creation = _created(response.topic_errors)
        await _known(admin, [each.name for each in needed], 1)
    return creation


async def partitions(settings: Settings) -> dict[str, int]:
    """How many partitions each topic has, by its name on the broker; topics that are missing are left out.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    names = [topic.name for topic in wanted(settings)]
    async with administering(settings.kafka) as admin:
        return {name: found.partitions for name, found in (await _found(admin, names)).items()}


async def add_partitions(settings: Settings, count: int) -> None:
    """Give every topic that has fewer so many partitions; returns as `create` does. It can't be undone.

    Raises:
        BrokerUnreachableError: no broker answered.
        KafkaError: the broker refused, and says why.
    """
    fewer = [name for name, there in (await partitions(settings)).items() if there < count]
    async with administering(settings.kafka) as admin:
        for name in fewer:
            await admin.create_partitions({name: NewPartitions(total_count=count)})
        await _known(admin, fewer, count)


def _created(answers: Iterable[tuple[str, int, str | None]]) -> Creation:
    creation = Creation([], [])
    for name, code, message in answers:
        if code == ALREADY_EXISTS:
            creation.existed.append(name)
        elif code:
            raise TopicNotCreatedError(f"topic {name} was not created: {message or for_code(code).__name__}")
        else:
            creation.created.append(name)
    return creation


async def _known(admin: AIOKafkaAdminClient, names: Iterable[str], partitions_: int) -> None:
    """Wait for metadata: the controller answers before brokers have heard of what it made."""
    for _ in range(int(KNOWN_WITHIN_S / LOOK_AGAIN_S)):
        described = {each["topic"]: each["partitions"] for each in await admin.describe_topics()}
        there = [described.get(name, ()) for name in names]
        if all(len(each) >= partitions_ and _all_led(each) for each in there):
            return
        await asyncio.sleep(LOOK_AGAIN_S)


def _all_led(partitions: Sequence[Mapping[str, Any]]) -> bool:
    return all(partition["leader"] >= 0 for partition in partitions)


async def rerouted(settings: Settings) -> int:
    """How many records were ever put on a wrong lane by their producer (transaction markers included).

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    name = settings.topics.prefix + Topic.REROUTED
    partitions = [TopicPartition(name, lane) for lane in range(settings.lanes)]
    async with reading(settings.kafka) as consumer:
        return sum((await ends_of(consumer, partitions)).values())


async def cluster_id(settings: Settings) -> str:
    """The cluster's own id, which the database is bound to."""
    async with administering(settings.kafka) as admin:
        return str((await admin.describe_cluster())["cluster_id"])


async def _found(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Found]:
    # All topics are asked for, not these: asking for one that is missing makes a broker with
    # auto.create.topics.enable create it, with its defaults.
    described = {topic["topic"]: topic for topic in await admin.describe_topics()}
    present = [name for name in names if name in described]
    configs = await _configs_of(admin, present)
    return {name: _from_metadata(described[name], configs.get(name, {})) for name in present}


def _from_metadata(topic: Mapping[str, Any], configs: Mapping[str, str]) -> Found:
    partitions = topic["partitions"]
    replicas = min((len(partition["replicas"]) for partition in partitions), default=0)
    return Found(topic["topic"], len(partitions), replicas, configs)


async def _configs_of(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    responses = await admin.describe_configs(resources)
    return {
        name: {entry[0]: entry[1] or "" for entry in entries}
        for response in responses
        for _code, _message, _type, name, entries in response.resources
    }
