"""Everything that can be looked at and done, each in a module of its own; the only list of it."""

from console.pages import account, approvals, decision, lanes, merchant, now, reading, search, unmasking
from console.routes import Download, Form, Page

MENU: tuple[Page, ...] = (now.PAGE, lanes.PAGE, approvals.PAGE)
"""Pages that the menu leads to, in its order."""

PAGES: tuple[Page, ...] = (*MENU, search.PAGE, account.PAGE, merchant.PAGE, decision.PAGE, reading.PAGE)
FORMS: tuple[Form, ...] = (unmasking.FORM, lanes.FORM, *approvals.FORMS)
DOWNLOADS: tuple[Download, ...] = ()
