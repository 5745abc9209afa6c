from tests.integration.storage.test_migrations import *  # noqa: F403  the same, on this server
