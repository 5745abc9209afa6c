"""Who of the group gets which lanes: whole lanes, evenly, and as few moves as possible.

Kafka's stock assignors deal out partitions topic by topic. Range, for one, would give a topic that only new workers
know to them alone, so that a lane had two owners. Here lane k is partition k of all topics or nothing, and only members
that subscribe to every topic of the group take part: while a new version with one more topic is rolled out, its first
worker takes all lanes.

Members report the lanes they hold with the round of the assignment that gave them, so that a member which slept through
some rounds cannot take back lanes that have moved on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgpack
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

VERSION = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """The lanes a member holds, and the round of the assignment that gave them; 0 before its first."""

    round: int = 0
    lanes: frozenset[int] = frozenset()

    def encode(self) -> bytes:
        """Pack for a message of the group protocol."""
        packed: bytes = msgpack.packb([self.round, sorted(self.lanes)])
        return packed

    @classmethod
    def decode(cls, data: bytes | None) -> "Holding":
        """Unpack; a member that says nothing understandable holds nothing."""
        try:
            number, lanes = msgpack.unpackb(data or b"")
            return cls(int(number), frozenset(map(int, lanes)))
        except (ValueError, TypeError):
            return cls()


class LaneAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka has no types
    """Our side of Kafka's client-side assignment. An instance belongs to one member and remembers what it was given."""

    name = "postpay-lanes"

    def __init__(self) -> None:
        self.holding = Holding()

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Say what this member subscribes to and holds."""
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), self.holding.encode())

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member was given."""
        self.holding = Holding(
            Holding.decode(assignment.user_data).round, frozenset(tp.partition for tp in assignment.partitions())
        )

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Deal out the lanes; runs on the group's leader."""
        topics = {topic for member in members.values() for topic in member.subscription}
        holdings = {name: Holding.decode(member.user_data) for name, member in members.items()}
        taking_part = [name for name, member in members.items() if topics.issubset(member.subscription)]
        shares = share_out(_lanes(cluster, topics), {name: holdings[name] for name in taking_part})
        given_in = Holding(1 + max((holding.round for holding in holdings.values()), default=0))
        return {
            name: ConsumerProtocolMemberAssignment(
                VERSION,
                [(topic, sorted(shares.get(name, ()))) for topic in sorted(topics)] if shares.get(name) else [],
                given_in.encode(),
            )
            for name in members
        }


def _lanes(cluster: ClusterMetadata, topics: Iterable[str]) -> set[int]:
    """Partitions that every topic has. Whoever is assigned refuses counts that differ (workers/lanes/assignment.py)."""
    partitions = [set(cluster.partitions_for_topic(topic) or ()) for topic in topics]
    return set.intersection(*partitions) if partitions else set()


def share_out(lanes: set[int], holdings: Mapping[str, Holding]) -> dict[str, set[int]]:
    """Give every lane to one member: shares differ by one at most, and a lane moves only to make them so.

    Args:
        lanes: all lanes there are.
        holdings: by member id, of the members that take part.
    """
    if not holdings:
        return {}
    shares = _kept(lanes, holdings)
    least, larger_ones = divmod(len(lanes), len(shares))
    # Who holds most keeps most; ids decide between equals, so that every leader would decide the same.
    by_size = sorted(shares, key=lambda name: (-len(shares[name]), name))
    quota = {name: least + (place < larger_ones) for place, name in enumerate(by_size)}
    for name, share in shares.items():
        for lane in sorted(share)[quota[name] :]:
            share.discard(lane)
    _fill(shares, quota, sorted(lanes - set().union(*shares.values())))
    return shares


def _kept(lanes: set[int], holdings: Mapping[str, Holding]) -> dict[str, set[int]]:
    """What each member holds already; where two say they hold a lane, who got it in the later round."""
    holder: dict[int, str] = {}
    for name in sorted(holdings, key=lambda name: (holdings[name].round, name)):
        holder |= dict.fromkeys(holdings[name].lanes & lanes, name)
    shares: dict[str, set[int]] = {name: set() for name in sorted(holdings)}
    for lane, name in holder.items():
        shares[name].add(lane)
    return shares


def _fill(shares: dict[str, set[int]], quota: Mapping[str, int], free: Sequence[int]) -> None:
    waiting = iter(free)
    for name in sorted(shares):
        for _ in range(quota[name] - len(shares[name])):
            shares[name].add(next(waiting))
