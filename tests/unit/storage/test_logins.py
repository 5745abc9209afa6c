import pytest

from storage import logins
from storage.logins import LOGIN_AGAIN_S, Logins


class RefusedError(Exception):
    pass


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(logins.time, "monotonic", lambda: now[0])
    return now


def test_a_refused_secret_is_shown_again_only_after_a_while(clock):
    refusal, tried = RefusedError("wrong"), Logins()
    tried.begin("first")
    tried.refused("first", refusal)
    clock[0] += LOGIN_AGAIN_S - 0.1
    with pytest.raises(RefusedError) as raised:
        tried.begin("first")
    assert raised.value is refusal is tried.refusal
    clock[0] += 0.2
    tried.begin("first")


@pytest.mark.usefixtures("clock")
def test_another_secret_is_shown_at_once():
    tried = Logins()
    tried.refused("first", RefusedError("wrong"))
    tried.begin("second")
    tried.clear()
    assert tried.refusal is None
    tried.begin("first")
