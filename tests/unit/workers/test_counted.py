from contracts.catalogue import TYPES
from settlement.dead_letter import DeadLetterReason
from workers import counted


def test_every_reason_of_a_dead_letter_is_counted_from_0_of_what_it_can_befall():
    reasons = {(kind, reason) for kind, outcome, reason in counted.inputs() if outcome == "dead_lettered"}
    assert {reason for _, reason in reasons} == set(DeadLetterReason)
    assert ("unknown", "unknown_type") in reasons
    assert ("purchase.placed", "unknown_type") not in reasons
    assert ("purchase.placed", "wrong_field") in reasons
    assert ("unknown", "wrong_field") not in reasons
    assert {kind for kind, _ in reasons} == TYPES | {"unknown"}


def test_a_label_is_never_what_somebody_sent():
    assert counted.type_of("purchase.placed") == "purchase.placed"
    assert {counted.type_of(sent) for sent in (None, "", "purchase.paid", "138" * 900, 'a"} 1\n')} == {"unknown"}
