"""How a command ends when it cannot do what it was asked to: the exit codes, and errors of the command line itself."""

EXIT_FOUND_WRONG = 1
EXIT_MISUSE = 2
EXIT_INTERRUPTED = 130


class Failure(Exception):  # noqa: N818  # it is how the command ends, said in one line
    """A command cannot go on; the message is for the person who typed it.

    Args:
        message: what was expected, what came, what to do.
        code: EXIT_MISUSE unless something was looked at and found wrong.
    """

    def __init__(self, message: str, code: int = EXIT_MISUSE) -> None:
        super().__init__(message)
        self.code = code


class DatabaseUnreachableError(Exception):
    """Postgres did not answer, or refused the log-in."""
