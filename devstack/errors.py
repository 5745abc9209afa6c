"""What can go wrong with the embedded stack, as one type."""


class DevstackError(Exception):
    """A part could not be fetched, started or stopped; the message says what to do about it."""
