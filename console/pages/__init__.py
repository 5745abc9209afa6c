"""Everything that can be looked at and done, each in a module of its own; the only list of it."""

from console.pages import now, unmasking
from console.routes import Download, Form, Page

MENU: tuple[Page, ...] = (now.PAGE,)
"""Pages that the menu leads to, in its order."""

PAGES: tuple[Page, ...] = (*MENU,)
FORMS: tuple[Form, ...] = (unmasking.FORM,)
DOWNLOADS: tuple[Download, ...] = ()
