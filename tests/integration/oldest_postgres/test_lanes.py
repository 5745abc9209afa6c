from tests.integration.storage.test_lanes import *  # noqa: F403  the same, on this server
