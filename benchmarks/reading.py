"""read_committed readers on librdkafka: none of our code, and little of the machine's time."""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from workers.settings.model import Settings

PATIENCE_S = 15.0
RETRY_S = 0.1
SILENT = 0
"""librdkafka's log level: what matters comes as an error of a call."""


def reader_from_now(settings: Settings, topic: str) -> Consumer:
    """A consumer of all partitions of a topic, from their present ends on.

    Raises:
        KafkaException: the broker does not tell the ends in time.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap,
            "group.id": "benchmark",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "log_level": SILENT,
        }
    )
    name = settings.topics.prefix + topic
    try:
        consumer.assign([TopicPartition(name, lane, _end(consumer, name, lane)) for lane in range(settings.lanes)])
    except BaseException:
        consumer.close()
        raise
    return consumer


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    """The end of a partition; one of a topic made just now has no leader yet."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE_S)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)
        else:
            return int(end)
