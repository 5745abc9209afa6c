"""Who acts, for the operator log."""

import getpass

from operating.refusal import ActionRefusedError
from storage.operator_log import Because


def because(given: str | None, setting: str | None, reason: str) -> Because:
    """Who acts and why: the name given, or that of the settings, or the user of the operating system.

    It is what the person says; the log has the database's log-in beside it, which nobody can choose.

    Raises:
        ActionRefusedError: there is no name, or no reason.
    """
    if not reason.strip():
        raise ActionRefusedError("expected a reason for the operator log, got none")
    operator = (given or setting or _system_user()).strip()
    if not operator:
        raise ActionRefusedError("expected the name of who acts, got none; set POSTPAY_OPERATOR")
    return Because(operator, reason.strip())


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""
