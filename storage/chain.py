"""The hash chain: each batch's hash covers the one before it and all the batch's decisions and postings.

Pure. What is hashed is exactly what the tables `decision` and `posting` hold, which lets the audit compute every hash
anew from the rows. Bodies of outputs are not in them, so only their ids are covered.

The encoding is msgpack: one list per batch, fields in the order of `DecisionRow` and `PostingRow`; instants as msgpack
timestamps (UTC, exact). It must never change for batches already written; docs/storage.md, Hash chain.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgpack

from settlement.batch import Settled
from storage.outcomes import DecisionRow, PostingRow, recorded

_pack = msgpack.Packer(datetime=True, use_bin_type=True, autoreset=True).pack


def genesis(lane: int) -> bytes:
    """The hash before a lane's first batch; another one for each lane, so that their batches can't be exchanged."""
    return hashlib.sha256(f"postpay lane {lane}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Recorded:
    """The rows of a batch's decisions and postings, and the chain hash that covers them."""

    decisions: list[DecisionRow]
    postings: list[PostingRow]
    chain_hash: bytes


def record(
    previous: bytes, batch_seq: int, lane_time: datetime, results: Sequence[Settled], first_seq: int
) -> Recorded:
    """Make the rows of a batch and its chain hash; handed on to `write`, they are not made twice.

    Args:
        previous: the hash before it.
        batch_seq: its number.
        lane_time: its lane time.
        results: everything settled in it, in order.
        first_seq: number of its first decision.
    """
    decisions, postings = recorded(results, first_seq)
    return Recorded(decisions, postings, link(previous, batch_seq, lane_time, decisions, postings))


def extend(previous: bytes, batch_seq: int, lane_time: datetime, results: Sequence[Settled], first_seq: int) -> bytes:
    """Return the chain hash after a batch; arguments as for `record`."""
    return record(previous, batch_seq, lane_time, results, first_seq).chain_hash


def link(
    previous: bytes,
    batch_seq: int,
    lane_time: datetime,
    decisions: Iterable[DecisionRow],
    postings: Iterable[PostingRow],
) -> bytes:
    """Return the chain hash after a batch whose rows are known, decisions and postings in the order of their keys."""
    content: Any = [previous, batch_seq, lane_time, list(decisions), list(postings)]
    return hashlib.sha256(_pack(content)).digest()
