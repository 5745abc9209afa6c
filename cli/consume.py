"""`postpay consume`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from cli import completion
from cli.connections import run
from cli.failures import Failure
from cli.output import print_json
from cli.records import as_line
from cli.streams import reader_is_gone
from contracts.topics import Topic
from workers.kafka.clients import administering, ends_of, reading
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)

POLL_MS = 250


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay consume auto-debit limit-release\n\n"
        "  postpay consume notification --follow | jq -c .value.text\n\n"
        "  postpay consume dead-letter | jq -r .value.reason | sort | uniq -c"
    )
)
def consume(
    topics: Annotated[
        list[str],
        typer.Argument(metavar="TOPIC…", help="Topic names without prefix.", autocompletion=completion.topics),
    ],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes in, until Ctrl-C.")] = False,
    _as_json: Annotated[bool, typer.Option("--json", help="For likeness with other commands: it is JSON.")] = False,
) -> None:
    """Print the records of topics as JSON lines, from the beginning up to the end at the time of asking.

    Each line is {"topic", "partition", "offset", "key", "headers", "value"}. Only what is committed is shown
    (read_committed). Bytes that are not JSON (values) or text (keys, headers) are shown as {"base64": …}; 'produce'
    takes them back. Order holds within a partition.
    """
    known = frozenset(Topic)
    for name in topics:
        if name not in known:
            raise Failure(f"expected a topic without prefix ({', '.join(Topic)}), got {name!r}")
    run(_print(Settings.load(), list(dict.fromkeys(topics)), follow=follow))


async def _print(settings: Settings, topics: Sequence[str], *, follow: bool) -> None:
    partitions = await _partitions(settings, topics)
    async with reading(settings.kafka) as consumer:
        ends = None if follow else await ends_of(consumer, partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async for record in _records(consumer, partitions, ends):
            print_json(as_line(record, settings.topics.prefix))


async def _partitions(settings: Settings, topics: Sequence[str]) -> list[TopicPartition]:
    async with administering(settings.kafka) as admin:
        found = {each["topic"]: each["partitions"] for each in await admin.describe_topics()}
    wanted = [settings.topics.prefix + topic for topic in topics]
    for name in wanted:
        if name not in found:
            raise Failure(f"topic {name} does not exist; run: postpay topics create")
    return [TopicPartition(name, each["partition"]) for name in wanted for each in found[name]]


async def _records(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], ends: Mapping[TopicPartition, int] | None
) -> AsyncIterator[ConsumerRecord]:
    """What is there below `ends`; for ever without them.

    The end is an offset, and the last offsets of a partition may be transaction markers, which are never handed on:
    what counts is how far the consumer has come. It also ends when nobody reads what is printed any more.
    """
    unread = set(partitions)
    while unread and not reader_is_gone():
        if ends is not None:
            for tp in [tp for tp in unread if await consumer.position(tp) >= ends[tp]]:
                unread.discard(tp)
                consumer.pause(tp)
        fetched = await consumer.getmany(timeout_ms=POLL_MS) if unread else {}
        for tp, records in fetched.items():
            for record in records:
                if ends is None or record.offset < ends[tp]:
                    yield record
