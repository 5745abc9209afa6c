"""What can go wrong with a benchmark."""


class BenchmarkError(Exception):
    """A part could not be measured; the message says what to look at."""
