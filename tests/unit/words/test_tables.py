import io

import pytest
from rich.console import Console

from words.tables import table

ROWS = [("o-1", 1200, "deferred, 30 days"), ("o-" + "7" * 40, None, "甲乙")]
ORDERS = table("2 orders", ("order", "#amount", "plan"), ROWS)
LINES = [
    "2 orders",
    "order                                       amount  plan",
    "o-1                                           1200  deferred, 30 days",
    "o-7777777777777777777777777777777777777777          甲乙",
]


def shown(width: int, *, terminal: bool, what=ORDERS) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, soft_wrap=True)
    console.print(what)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "terminal"), [(40, False), (200, False), (69, True)])
def test_a_row_is_a_line_in_a_pipe_and_where_there_is_room(width, terminal):
    assert shown(width, terminal=terminal) == LINES


def test_a_row_is_a_record_on_a_terminal_that_is_too_narrow_and_ids_stay_whole():
    assert shown(30, terminal=True) == [
        "2 orders",
        "order   o-1",
        "amount  1200",
        "plan    deferred, 30 days",
        "",
        "order   o-" + "7" * 40,
        "plan    甲乙",
    ]


def test_a_cell_is_on_one_line_and_cannot_take_the_terminal_over():
    assert shown(80, terminal=False, what=table("", ("id",), [("a\n\x1b[2J",)])) == ["id", "a\\n\\x1b[2J"]
