"""Who may do what: the only place that says so. Every route names one permission.

Source: docs/console.md, Roles.
"""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a user of the page is; one each. The names are public."""

    VIEWER = "viewer"
    SUPPORT = "support"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What a route may ask for."""

    LOOK = "look"
    """Every page, with ids and texts masked."""
    SEE_IDS = "see_ids"
    """The same, nothing masked."""
    UNMASK = "unmask"
    """Have one page not masked for a while, with a reason that goes on record."""
    REPAIR = "repair"
    """Redrive dead letters as they came, close them."""
    RUN_AUDIT = "run_audit"
    REQUEST = "request"
    """Ask for what a second person has to approve."""
    APPROVE = "approve"
    """Be that second person."""
    EXPORT = "export"
    """Take lists away as files."""


_P = Permission
MAY: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({_P.LOOK}),
    Role.SUPPORT: frozenset({_P.LOOK, _P.UNMASK}),
    Role.OPERATOR: frozenset({_P.LOOK, _P.SEE_IDS, _P.REPAIR, _P.RUN_AUDIT, _P.REQUEST, _P.EXPORT}),
    Role.APPROVER: frozenset({_P.LOOK, _P.SEE_IDS, _P.APPROVE, _P.EXPORT}),
    Role.AUDITOR: frozenset({_P.LOOK, _P.SEE_IDS, _P.EXPORT}),
}


def may(role: Role, permission: Permission) -> bool:
    """Whether users of a role may do something."""
    return permission in MAY[role]
