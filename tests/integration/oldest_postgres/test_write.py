from tests.integration.storage.test_write import *  # noqa: F403  the same, on this server
