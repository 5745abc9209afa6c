"""Whole lanes, evenly, few moves, one owner each."""

import random

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from contracts.topics import LANE_TOPICS
from workers.kafka.assignor import Holding, LaneAssignor, share_out

TOPICS = ["purchase", "repayment"]


class Cluster(ClusterMetadata):
    """Metadata of topics with given numbers of partitions."""

    def __init__(self, counts):
        super().__init__()
        self.counts = counts

    def partitions_for_topic(self, topic):
        return set(range(self.counts[topic])) if topic in self.counts else None


def member(topics=TOPICS, holding=None):
    return ConsumerProtocolMemberMetadata(0, list(topics), (holding or Holding()).encode())


def lanes_by_member(assignments):
    return {name: {tp.partition for tp in assignment.partitions()} for name, assignment in assignments.items()}


def test_one_member_gets_every_partition_of_every_topic():
    assigned = LaneAssignor().assign(Cluster({"purchase": 3, "repayment": 3}), {"a": member()})
    assert {(tp.topic, tp.partition) for tp in assigned["a"].partitions()} == {
        (topic, lane) for topic in TOPICS for lane in range(3)
    }


@pytest.mark.parametrize("members", range(1, 12))
def test_shares_differ_by_one_at_most_and_every_lane_has_one_owner(members):
    shares = share_out(set(range(8)), {f"m{number}": Holding() for number in range(members)})
    assert sorted(lane for share in shares.values() for lane in share) == list(range(8))
    sizes = [len(share) for share in shares.values()]
    assert max(sizes) - min(sizes) <= 1


def test_a_member_that_leaves_moves_only_its_own_lanes():
    before = {"a": {0, 1, 2}, "b": {3, 4, 5}, "c": {6, 7}}
    after = share_out(set(range(8)), {name: Holding(1, frozenset(before[name])) for name in ("a", "b")})
    assert before["a"] <= after["a"]
    assert before["b"] <= after["b"]


def test_a_member_that_joins_takes_only_its_share():
    after = share_out(
        set(range(8)),
        {"a": Holding(1, frozenset({0, 1, 2, 3})), "b": Holding(1, frozenset({4, 5, 6, 7})), "new": Holding()},
    )
    assert after["a"] < {0, 1, 2, 3}
    assert after["b"] < {4, 5, 6, 7}
    assert len(after["new"]) == 2


def test_who_slept_through_a_round_cannot_take_back_what_has_moved_on():
    after = share_out({0, 1}, {"sleeper": Holding(3, frozenset({0, 1})), "owner": Holding(4, frozenset({0}))})
    assert after == {"sleeper": {1}, "owner": {0}}


def test_shares_stay_whole_and_even_through_any_sequence_of_joins_and_leaves():
    chance = random.Random(7)
    holdings = {}
    for number in range(300):
        if holdings and chance.random() < 0.45:
            del holdings[chance.choice(sorted(holdings))]
        else:
            holdings[f"m{number}"] = Holding()
        shares = share_out(set(range(8)), holdings)
        assert not holdings or sorted(lane for share in shares.values() for lane in share) == list(range(8))
        holdings = {name: Holding(number, frozenset(share)) for name, share in shares.items()}


def test_only_members_that_know_every_topic_take_part():
    members = {"old": member(), "new": member([*TOPICS, "added"])}
    assigned = LaneAssignor().assign(Cluster({"purchase": 2, "repayment": 2, "added": 2}), members)
    assert lanes_by_member(assigned) == {"old": set(), "new": {0, 1}}


def test_a_release_that_reads_one_more_topic_takes_over_lane_by_lane_without_a_second_owner():
    old_topics, new_topics = [str(topic) for topic in LANE_TOPICS[:-1]], [str(topic) for topic in LANE_TOPICS]
    cluster = Cluster(dict.fromkeys(new_topics, 8))
    workers = {"old-1": (LaneAssignor(), old_topics), "old-2": (LaneAssignor(), old_topics)}
    steps = [{}, {"new-1": (LaneAssignor(), new_topics)}, {"new-2": (LaneAssignor(), new_topics)}]
    for joining in steps:
        workers |= joining
        for leader in workers:  # whoever leads, of the old release or the new
            members = {name: assignor.metadata(topics) for name, (assignor, topics) in workers.items()}
            assigned = workers[leader][0].assign(cluster, members)
            for name, assignment in assigned.items():
                workers[name][0].on_assignment(assignment)
            lanes = lanes_by_member(assigned)
            assert sorted(lane for owned in lanes.values() for lane in owned) == list(range(8))
            if "new-1" in workers:
                assert not lanes["old-1"] | lanes["old-2"]
                assert {tp.topic for tp in assigned["new-1"].partitions()} == set(new_topics)


def test_a_topic_that_is_missing_gives_nobody_anything():
    assigned = LaneAssignor().assign(Cluster({"purchase": 2}), {"a": member()})
    assert lanes_by_member(assigned) == {"a": set()}


def test_a_member_tells_the_next_round_what_it_was_given():
    cluster = Cluster({"purchase": 4, "repayment": 4})
    first, second = LaneAssignor(), LaneAssignor()
    for _ in range(2):
        assigned = first.assign(cluster, {"a": first.metadata(TOPICS), "b": second.metadata(TOPICS)})
        first.on_assignment(assigned["a"])
        second.on_assignment(assigned["b"])
    assert first.holding.lanes | second.holding.lanes == {0, 1, 2, 3}
    assert first.holding.round == second.holding.round == 2


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x01", None, b"\x92\xa1x\x90"])
def test_a_member_that_says_nothing_understandable_holds_nothing(data):
    assert Holding.decode(data) == Holding()
