"""Which topics there are, and whose ids key them."""

import pytest

from contracts.catalogue import MESSAGES
from contracts.message import AccountMessage, MerchantMessage
from contracts.topics import BROADCAST_TOPICS, LANE_TOPICS, OUTPUT_TOPICS, Topic, party_kind
from settlement.party import PartyKind


def test_every_topic_is_read_by_lanes_or_only_written():
    assert set(LANE_TOPICS) | set(OUTPUT_TOPICS) == set(Topic)
    assert not set(LANE_TOPICS) & set(OUTPUT_TOPICS)


def test_the_order_that_decides_between_records_of_one_instant_never_changes():
    assert [topic.value for topic in LANE_TOPICS] == [
        "terms",
        "clock",
        "credit-line",
        "merchant",
        "purchase",
        "return-inspection",
        "repayment",
        "deposit-refund-request",
        "rerouted",
        "merchant-activity",
        "payout-result",
    ]


@pytest.mark.parametrize("topic", MESSAGES)
def test_all_messages_of_a_topic_concern_the_kind_of_party_that_keys_it(topic):
    expected = {PartyKind.ACCOUNT: AccountMessage, PartyKind.MERCHANT: MerchantMessage, None: object}[party_kind(topic)]
    assert all(issubclass(message, expected) for message in MESSAGES[topic])
    assert (party_kind(topic) is None) == (topic in {*BROADCAST_TOPICS, Topic.PAYOUT_RESULT})


def test_a_topic_nobody_knows_is_keyed_by_nobody():
    assert party_kind("unheard-of") is None
    assert party_kind("rerouted") is None


def test_every_topic_of_input_has_messages():
    assert set(MESSAGES) == set(LANE_TOPICS) - {Topic.REROUTED}
