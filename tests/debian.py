"""Programs of Debian that tests need beside Python: found, else installed where that may be done, else skipped."""

import os
import shutil
import subprocess

import pytest

INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=60")
INSTALL_TIMEOUT_S = 100


def require_program(name: str, package: str) -> str:
    """Where a program is; without it the test is skipped, and says what it needs."""
    if shutil.which(name) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run([*INSTALL, package], check=False, timeout=INSTALL_TIMEOUT_S)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs the program {name} (Debian: apt-get install {package})")
    return found
