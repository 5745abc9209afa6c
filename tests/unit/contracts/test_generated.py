from contracts.generated import GeneratedFiles


def test_writing_makes_what_checking_expects(tmp_path, capsys):
    document, stray = tmp_path / "docs" / "states.md", tmp_path / "stray.md"
    made = GeneratedFiles("a.module", {document: "# 状态\n"}, [stray])
    stray.write_text("")
    assert made.run(["--check"]) == 1
    assert capsys.readouterr().err == (
        f"{document} is out of date: run python -m a.module --write\n"
        f"{stray} is out of date: run python -m a.module --write\n"
    )
    assert made.run(["--write"]) == 0
    assert not stray.exists()
    made = GeneratedFiles("a.module", {document: "# 状态\n"})
    assert made.run(["--check"]) == 0
    document.write_text("# Other\n")
    assert made.out_of_date() == [document]


def test_other_arguments_are_misuse(tmp_path, capsys):
    made = GeneratedFiles("a.module", {tmp_path / "file": ""})
    for arguments in ([], ["--chekc"], ["--check", "--write"]):
        assert made.run(arguments) == 2
        assert capsys.readouterr().err == "usage: python -m a.module --check | --write\n"
    assert made.out_of_date() == [tmp_path / "file"]
