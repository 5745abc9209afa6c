"""Histories of which the order of arrival across topics must not matter, and other orders for them.

A story is told in phases, with a tick to the next due dates between them; within a phase less time passes than anything
waits, so every message may come before or after any of another topic. Where the rules themselves make the order matter,
a story keeps out of it. These are all such places:

- Whether an order is accepted depends on the line at that moment (limit, freezes, score, card, identity): lines here
  are opened once, able to buy, with limit enough for everything, and only ever get better.
- Keeping an order while a return of it is open is refused: an order here is kept or returned, not both.
- Money pays what is owed by then, and is paid out if nothing is: purpose `account`, purpose `order`, what a debit
  brings beyond its amount, and customer credit come only where nothing else makes or lowers debts at the same time.
- A debit that a return has cancelled pays what is due, not what that return put off, and the rest goes out: nothing is
  sent back in a phase in which it is being debited.
- A debit answered in part pays the first of its obligations; if one of them is being returned, the refund goes out or
  the money goes to the next. Such debits are answered in full or fail.
- A return on the due date moves it only if something is open by then, and the window with it: an order is sent back
  within one phase only.
- A freeze for what is overdue stops new orders, and what is overdue can't be sent back: orders are placed before
  anything is due.
- A return that is requested before the receipt holds the capture up, and the bill is that of the capture: where there
  are bills, a return ends within a phase. It also makes obligations of one bill come about in another order, in which
  they are paid: debits of bills are answered in full or fail, and no other money comes in.
- A fee is never less than what was paid of it, so a return before or after a payment makes another one: no plan here
  bears fees.
- The id of a second or third attempt tells when the first was asked for, so it is another one when that was later: only
  first attempts are answered here.
- A refund of a deposit asks for conditions at that moment: merchants here that ask have no open cases, never owe the
  platform, and ask for no deposit to which a failed payout comes back at the same time.
- A failed payout leaves credit, and when that goes out depends on what is owed: it comes alone to an account.
- A withdrawal asks for the shop balance at that moment: what is withdrawn was there before the phase.
- A changed cycle by which a payout date has passed pays out what is payable by then: none has here.
"""

from contextlib import suppress
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from settlement.messages import Input
from tests.property.authors.author import Author
from tests.property.authors.buyers import BuyerAuthor
from tests.property.authors.sellers import SellerAuthor
from tests.property.histories import ACCOUNTS, MERCHANTS
from tests.property.lane import BREAKS


@dataclass(frozen=True)
class Story:
    """A history and the same inputs in another order of arrival."""

    told: tuple[Input, ...]
    otherwise: tuple[Input, ...]


def stories() -> st.SearchStrategy[Story]:
    """Stories with another order of each; every topic keeps its order for each key."""
    return st.builds(story_of, st.randoms(use_true_random=True))


def story_of(dice: Random) -> Story:
    """Make up one story, and another order of arrival for it; one by which the core breaks ends there."""
    of_buyer = dice.randrange(3) > 0
    author: Author = BuyerAuthor(dice, ACCOUNTS[0]) if of_buyer else SellerAuthor(dice, MERCHANTS[0])
    with suppress(*BREAKS):
        author.tell()
    return Story((*author.told, *author.phase), (*author.otherwise, *author.phase))
