from tests.integration.storage.test_plans import *  # noqa: F403  the same, on this server
