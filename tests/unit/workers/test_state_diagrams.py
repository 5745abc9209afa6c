from workers import state_diagrams


def test_the_document_is_up_to_date():
    assert state_diagrams.generated().out_of_date() == []


def test_the_states_of_a_lane_are_drawn():
    assert "running --> retrying: database away" in state_diagrams.document()
