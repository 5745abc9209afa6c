"""What a worker has freed goes back to the system."""

import platform
import subprocess
import sys

import pytest

FREED = """
import psutil
from workers.worker import _map_large_blocks
_map_large_blocks()
fetch = bytearray(16 * 2**20)
del fetch
messages, kept = [], []
for _ in range(100):
    messages.append(b"x" * 2**20)
    kept.append(bytearray(b"x" * 50_000))
process = psutil.Process()
held = process.memory_info().rss
messages.clear()
print((held - process.memory_info().rss) // 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_large_messages_that_are_done_with_leave_no_memory_behind():
    found = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(found.stdout) > 90
