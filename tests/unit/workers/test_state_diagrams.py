from workers import state_diagrams


def test_the_document_is_up_to_date():
    assert state_diagrams.main(["--check"]) == 0


def test_writing_makes_what_checking_expects(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(state_diagrams, "DOCUMENT", tmp_path / "states.md")
    assert state_diagrams.main(["--check"]) == 1
    assert "run python -m workers.state_diagrams --write" in capsys.readouterr().err
    assert state_diagrams.main(["--write"]) == 0
    assert state_diagrams.main(["--check"]) == 0
    assert state_diagrams.main([]) == 2


def test_the_states_of_a_lane_are_drawn():
    assert "running --> retrying: database away" in state_diagrams.document()
