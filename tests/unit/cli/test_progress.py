import pytest

from cli import progress
from cli.progress import bar, reading_bar


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_long_work_says_a_line_now_and_then_where_nobody_watches(clock, capsys):
    with reading_bar("exporting", 1000) as told:
        for clock[0] in range(1, 26):
            told(clock[0] * 10, clock[0] * 9)
    assert capsys.readouterr() == (
        "",
        "exporting: 10 %, 90 records, 9/s\nexporting: 20 %, 180 records, 9/s\n",
    )


def test_what_is_done_soon_says_nothing(clock, capsys):
    with bar("sending", 10) as shown:
        shown.tell(10)
    assert capsys.readouterr() == ("", "")


def test_work_of_an_unknown_size_tells_what_it_does(clock, capsys):
    with bar("waiting") as shown:
        clock[0] = 11
        shown.tell(more="3 records to settle")
        clock[0] = 22
        shown.tell(1, what="moving purchase", total=4)
    assert capsys.readouterr().err == "waiting: 3 records to settle\nmoving purchase: 25 %\n"
