"""Where the embedded stack keeps what it downloads and what it stores."""

import os
from pathlib import Path


def project_directory() -> Path:
    """The checkout this package is part of, or the current folder when it is installed elsewhere."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def jar_directory() -> Path:
    """Where the jars are kept; one folder serves every stack of a checkout."""
    return project_directory() / ".devstack" / "jars"


def default_directory() -> Path:
    """The stack's own folder when none is named: `$POSTPAY_DEV_DIR`, else `.devstack/default` in the checkout."""
    named = os.environ.get("POSTPAY_DEV_DIR")
    return Path(named) if named else project_directory() / ".devstack" / "default"


def maven_repository() -> str | None:
    """A mirror to fetch the jars from, `$POSTPAY_DEV_MAVEN`; None for the public repository."""
    return os.environ.get("POSTPAY_DEV_MAVEN") or None
