"""Which file format an exported history should have: its size, and how fast it is written and read back as records.

    python -m benchmarks.history_formats DIR

Takes the records of an export (`postpay history export DIR`). Formats whose library is not installed are left out.
"""

import gzip
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cramjam
import msgpack

from contracts.records import RawRecord
from contracts.topics import LANE_TOPICS
from workers.replay import lines
from workers.replay.exported import records_of
from workers.replay.manifest import LaneManifest, Provenance

LEVEL = lines.ZSTD_LEVEL
RUNS = 3
FILE_RECORDS = 10_000


def records(directory: Path) -> list[list[RawRecord]]:
    """Those of an export, in files as large as most."""
    provenance = Provenance.load(directory)
    if provenance is None:
        sys.exit(f"expected an export of 'postpay history export', found none in {directory}")
    manifests = [LaneManifest.load(directory, lane) for lane in range(provenance.lanes)]
    found: list[list[RawRecord]] = []
    for topic in LANE_TOPICS:
        of_topic = [
            record
            for manifest in manifests
            if topic in manifest.topics
            for file in manifest.topics[topic].files
            for record in records_of(directory, manifest.lane, topic, file)
        ]
        found += [of_topic[begin : begin + FILE_RECORDS] for begin in range(0, len(of_topic), FILE_RECORDS)]
    return found


def json_lines(some: Sequence[RawRecord]) -> bytes:
    return b"".join(map(lines.line, some))


def by_pydantic(content: bytes) -> list[RawRecord]:
    return list(lines.records_in(content, "", 0))


def by_json(content: bytes) -> list[RawRecord]:
    return [lines.record_of(json.loads(line), "", 0) for line in content.splitlines()]


def packed(some: Sequence[RawRecord]) -> bytes:
    return b"".join(msgpack.packb(each[2:]) for each in some)


def of_packed(stream: bytes) -> list[RawRecord]:
    unpacker = msgpack.Unpacker(use_list=False, max_buffer_size=len(stream))
    unpacker.feed(stream)
    return [RawRecord("", 0, *each) for each in unpacker]


def parquet(some: Sequence[RawRecord]) -> bytes:
    arrow = importlib.import_module("pyarrow")
    header = arrow.list_(arrow.struct([("name", arrow.string()), ("value", arrow.binary())]))
    table = arrow.table(
        {
            "offset": arrow.array([each.offset for each in some], arrow.int64()),
            "timestamp_ms": arrow.array([each.timestamp_ms for each in some], arrow.int64()),
            "key": arrow.array([each.key for each in some], arrow.binary()),
            "value": arrow.array([each.value for each in some], arrow.binary()),
            "headers": arrow.array(
                [[{"name": name, "value": content} for name, content in each.headers] for each in some], header
            ),
        }
    )
    sink = arrow.BufferOutputStream()
    importlib.import_module("pyarrow.parquet").write_table(table, sink, compression="zstd", compression_level=LEVEL)
    return bytes(sink.getvalue())


def of_parquet(file: bytes) -> list[RawRecord]:
    arrow = importlib.import_module("pyarrow")
    table = importlib.import_module("pyarrow.parquet").read_table(arrow.BufferReader(file))
    columns = [table.column(name).to_pylist() for name in ("offset", "timestamp_ms", "key", "value", "headers")]
    return [
        RawRecord("", 0, offset, at, key, value, tuple((each["name"], each["value"]) for each in headers))
        for offset, at, key, value, headers in zip(*columns, strict=True)
    ]


Write = Callable[[Sequence[RawRecord]], bytes]
Read = Callable[[bytes], list[RawRecord]]


def formats() -> Iterator[tuple[str, Write, Read]]:
    """Name, writing and reading of each that can be tried here."""
    zstd = cramjam.zstd

    def compressed(content: bytes) -> bytes:
        return bytes(zstd.compress(content, LEVEL))

    def decompressed(content: bytes) -> bytes:
        return bytes(zstd.decompress(content))

    yield "JSON lines, zstd", lambda some: compressed(json_lines(some)), lambda file: by_pydantic(decompressed(file))
    yield "… read by json", lambda some: compressed(json_lines(some)), lambda file: by_json(decompressed(file))
    yield (
        "JSON lines, gzip",
        lambda some: gzip.compress(json_lines(some), 6),
        lambda file: by_pydantic(gzip.decompress(file)),
    )
    yield "MessagePack, zstd", lambda some: compressed(packed(some)), lambda file: of_packed(decompressed(file))
    if importlib.util.find_spec("zstandard"):
        zstandard = importlib.import_module("zstandard")
        yield (
            "JSON lines, zstandard",
            lambda some: bytes(zstandard.ZstdCompressor(LEVEL).compress(json_lines(some))),
            lambda file: by_pydantic(zstandard.ZstdDecompressor().decompress(file)),
        )
    if importlib.util.find_spec("pyarrow"):
        yield "Parquet, zstd", parquet, of_parquet


def main() -> None:
    """Print one line for each format."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    given = records(Path(sys.argv[1]))
    number = sum(map(len, given))
    plain = sum(len(each.key or b"") + len(each.value or b"") for some in given for each in some)
    print(f"{number:,} records, {plain / 1e6:.1f} MB of keys and values")
    print(f"{'format':<24} {'MB':>6} {'written/s':>12} {'read/s':>12}")
    for name, write, read in formats():
        begun = time.process_time()
        files = [write(some) for some in given]
        written_s = time.process_time() - begun
        read_s = min(timed(read, files) for _ in range(RUNS))
        for some, file in zip(given, files, strict=True):
            assert [each[2:] for each in read(file)] == [each[2:] for each in some], name
        size = sum(map(len, files))
        print(f"{name:<24} {size / 1e6:>6.1f} {number / written_s:>12,.0f} {number / read_s:>12,.0f}")


def timed(read: Read, files: Sequence[bytes]) -> float:
    """Processor time, so that others on the machine count little."""
    begun = time.process_time()
    for file in files:
        read(file)
    return time.process_time() - begun


if __name__ == "__main__":
    main()
