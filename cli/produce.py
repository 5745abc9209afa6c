"""`postpay produce`."""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from cli.connections import run
from cli.failures import Failure
from cli.output import AsJson, print_document
from cli.progress import bar
from cli.records import LineError, ProducedRecord, parse_line
from contracts.topics import BROADCAST_TOPICS, LANE_TOPICS
from words.phrases import counted
from workers.kafka.clients import administering, producing
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)

# Sent and not acknowledged yet; enough to fill batches, little enough to name the line that failed.
IN_FLIGHT = 5_000
LINGER_MS = 5
BATCH_BYTES = 256 * 1024


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay produce messages.jsonl\n\n"
        '  echo \'{"topic": "purchase", "key": "a-1", "value": {"event_id": "e-1", …}}\' | postpay produce -\n\n'
        '  echo \'{"topic": "purchase", "key": "a-1", "value": {"base64": "AP8="}}\' | postpay produce -\n\n'
        '  echo \'{"topic": "clock", "key": null, "value": {"event_id": "t-1", "type": "clock.ticked", …}}\' '
        "| postpay produce -"
    )
)
def produce(
    file: Annotated[
        Path, typer.Argument(help="File of JSON lines; - for standard input.", allow_dash=True, dir_okay=False)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Send JSON lines {"topic", "key", "value", "headers"?} to Kafka.

    Topic names are without prefix. A value may be any JSON, null, or {"base64": …} for raw bytes; it is written anew,
    so bytes that matter go in as base64. Keys are partitioned as Kafka's Java clients do; a line for 'clock' or 'terms'
    goes to every partition. The first line that cannot be sent ends the command, named, with exit code 2; those before
    it are sent. Sending a file again does no harm: postpay knows every event_id.
    """
    settings = Settings.load()
    with _opened(file) as lines:
        sent = run(_send(settings, lines))
    topics = dict(sorted(sent.items()))
    if as_json:
        print_document({"records": sent.total(), "topics": topics})
    else:
        parts = ", ".join(f"{topic} {number:,}" for topic, number in topics.items())
        typer.echo(f"{counted(sent.total(), 'record')} sent" + (f": {parts}" if parts else ""))


@contextmanager
def _opened(file: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """Numbered lines that are not blank, with a progress bar where somebody watches."""
    try:
        stream: BinaryIO = sys.stdin.buffer if str(file) == "-" else file.open("rb")
    except OSError as error:
        raise Failure(f"expected a file of JSON lines, got {file} ({error.strerror})") from error
    total = file.stat().st_size if str(file) != "-" else None
    with stream, bar("sending", total) as shown:

        def numbered() -> Iterator[tuple[int, bytes]]:
            size = 0
            for number, line in enumerate(stream, start=1):
                size += len(line)
                shown.tell(size, f"{number:,} lines")
                if line.strip():
                    yield number, line

        yield numbered()


async def _send(settings: Settings, lines: Iterator[tuple[int, bytes]]) -> Counter[str]:
    partitions = await _partitions(settings)
    sent: Counter[str] = Counter()
    waiting: deque[tuple[int, Any]] = deque()
    async with producing(settings.kafka, linger_ms=LINGER_MS, max_batch_size=BATCH_BYTES) as producer:
        for number, line in lines:
            record = _parsed(number, line)
            if record.topic not in partitions:
                raise Failure(f"line {number}: topic {record.topic} does not exist; run: postpay topics create")
            for partition in range(partitions[record.topic]) if record.topic in BROADCAST_TOPICS else (None,):
                waiting.append((number, await _started(producer, settings, number, record, partition)))
                sent[record.topic] += 1
            while len(waiting) > IN_FLIGHT:
                await _acknowledged(*waiting.popleft())
        while waiting:
            await _acknowledged(*waiting.popleft())
    return sent


async def _partitions(settings: Settings) -> dict[str, int]:
    """Partitions of the topics there are, by name without prefix. Asked for once: a producer would create topics."""
    async with administering(settings.kafka) as admin:
        found = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}
    prefix = settings.topics.prefix
    return {topic: found[prefix + topic] for topic in LANE_TOPICS if prefix + topic in found}


def _parsed(number: int, line: bytes) -> ProducedRecord:
    try:
        return parse_line(line)
    except LineError as error:
        raise Failure(f"line {number}: {error}") from error


async def _started(
    producer: AIOKafkaProducer, settings: Settings, number: int, record: ProducedRecord, partition: int | None
) -> Any:
    """Hand a record to the producer; gives what to await for the broker's answer."""
    try:
        return await producer.send(
            settings.topics.prefix + record.topic,
            value=record.value,
            key=record.key,
            partition=partition,
            headers=list(record.headers),
        )
    except (KafkaError, ValueError) as error:
        raise Failure(f"line {number}: {_refusal(error)}") from error


async def _acknowledged(number: int, answer: Any) -> None:
    try:
        await answer
    except KafkaError as error:
        raise Failure(f"line {number}: {_refusal(error)}") from error


def _refusal(error: Exception) -> str:
    if isinstance(error, MessageSizeTooLargeError):
        return f"expected a record that the broker takes, got one that is too large ({error})"
    return f"Kafka did not take the record: {str(error) or type(error).__name__}"
