"""Free TCP ports on the loopback address."""

import random
import socket

LOOPBACK = "127.0.0.1"
OWN = range(20_000, 32_768)
"""No system gives these away, unless told to. One that is given to whoever asks for any may be taken while its server
restarts."""
ATTEMPTS = 100


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier server that still fade out (TIME_WAIT) don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def choose(*preferred: int | None) -> int:
    """The first free one of the preferred ports, else any free port, of OWN if there is one.

    Nothing holds the port until a server listens there: whoever starts the server tries another when it was taken.
    """
    for port in (*preferred, *random.sample(OWN, ATTEMPTS)):
        if port is not None and is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
