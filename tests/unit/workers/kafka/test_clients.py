import pytest
from aiokafka.errors import SaslAuthenticationFailed

from workers.kafka.clients import age_s, refused
from workers.settings.model import Kafka


@pytest.mark.parametrize(("timestamp", "seconds"), [(7_000, 3.0), (12_000, 0.0), (0, 10.0), (-1, 0.0), (-(2**63), 0.0)])
def test_a_record_without_a_time_has_no_age(timestamp, seconds):
    assert age_s(timestamp, now_ms=10_000) == seconds


def test_a_refused_log_in_names_user_reason_and_setting(tmp_path):
    (tmp_path / "password").write_text("hidden")
    kafka = Kafka(bootstrap="a:1, b:2", username="worker", password_file=tmp_path / "password")
    said = refused(kafka, SaslAuthenticationFailed("Authentication failed: Invalid username or password"))
    assert said.startswith("Kafka at a:1,b:2 refuses the log-in of worker (")
    assert "Invalid username or password" in said
    assert said.endswith("is POSTPAY_KAFKA__PASSWORD_FILE right?")
    assert "hidden" not in said
