"""Whose records of which topics are."""

import pytest

from contracts.topics import BROADCAST_TOPICS, LANE_TOPICS, Topic, party_kind
from settlement.party import PartyKind
from storage.stories.party import TOPICS

INTERNAL = {Topic.MERCHANT_ACTIVITY, Topic.REROUTED}


@pytest.mark.parametrize("kind", PartyKind)
def test_a_history_looks_for_dead_letters_in_every_topic_keyed_by_its_kind_of_party(kind):
    keyed = {each for each in LANE_TOPICS if party_kind(each) in {kind, None}} - BROADCAST_TOPICS - INTERNAL
    assert set(TOPICS[kind]) == keyed
