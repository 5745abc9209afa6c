"""What a command says of an error that a person can mend, and the exit code it ends with.

It knows the errors of every part of postpay, so a command imports it only when it fails.
"""

import asyncpg
from aiokafka.errors import KafkaError

from cli.failures import EXIT_FOUND_WRONG, EXIT_MISUSE, DatabaseUnreachableError, Failure
from cli.streams import UnwritableError
from console.login.users import UsersFileError
from operating.archive_files import ArchiveError, UnwritableArchiveError
from operating.refusal import ActionRefusedError
from storage.archiving import NotArchivableError
from storage.branching import SplitApartError
from storage.database import PooledTransactionsError
from storage.distribution import DistributionError
from storage.identity import IdentityMismatchError
from storage.migrations import MigrationError, NotMigratedError
from storage.replacement import ClaimedError
from workers.kafka.clients import BrokerUnreachableError
from workers.kafka.topics import TopicNotCreatedError, TopicsError
from workers.replay.extent import HistoryError
from workers.replay.processes import ProcessKilledError
from workers.replay.rebuild import AuditFailedError
from workers.settings.model import SettingsError


def explain(error: BaseException) -> tuple[str, int] | None:
    """The line to print and the exit code; None for what is a defect of postpay and deserves its traceback.

    Notes of the error, such as which server it was, end the line.
    """
    code = _code(error)
    if code is None:
        return None
    match error:
        case KafkaError():
            said = f"Kafka: {str(error) or type(error).__name__}"
        case asyncpg.InsufficientPrivilegeError():
            said = f"the database user may not do this: {error}; operators are members of postpay_ops"
        case _:
            said = str(error)
    return "; ".join([f"error: {said}", *getattr(error, "__notes__", ())]), code


def _code(error: BaseException) -> int | None:
    if isinstance(error, Failure):
        return error.code
    if isinstance(error, FOUND_WRONG):
        return EXIT_FOUND_WRONG
    return EXIT_MISUSE if isinstance(error, MISUSE) else None


FOUND_WRONG = (
    ActionRefusedError,
    ArchiveError,
    AuditFailedError,
    HistoryError,
    ProcessKilledError,
    SplitApartError,
)
MISUSE = (
    asyncpg.InsufficientPrivilegeError,
    BrokerUnreachableError,
    ClaimedError,
    DatabaseUnreachableError,
    DistributionError,
    IdentityMismatchError,
    KafkaError,
    MigrationError,
    NotArchivableError,
    NotMigratedError,
    PooledTransactionsError,
    SettingsError,
    TopicNotCreatedError,
    TopicsError,
    UnwritableArchiveError,
    UnwritableError,
    UsersFileError,
)
