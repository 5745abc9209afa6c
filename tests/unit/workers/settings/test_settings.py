import os
import re
from pathlib import Path

import pytest

from workers.settings.descriptions import described
from workers.settings.model import Settings, SettingsError

REPOSITORY = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.upper().startswith("POSTPAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings_of(monkeypatch):
    def load(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        return Settings.load()

    return load


@pytest.fixture
def refusal_of(settings_of):
    def refuse(**variables):
        with pytest.raises(SettingsError) as refused:
            settings_of(**variables)
        return str(refused.value)

    return refuse


@pytest.fixture
def password_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("xQ9-long/and:odd\n")
    return file


def test_the_defaults_are_the_documented_ones(settings_of):
    settings = settings_of()
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.kafka.security_protocol == "PLAINTEXT"
    assert settings.postgres.dsn == "postgresql://localhost/postpay"
    assert settings.topics.prefix == ""
    assert settings.lanes == 8
    assert settings.group == "postpay"
    assert settings.clock == "wall"
    assert (settings.ops.host, settings.ops.port) == ("127.0.0.1", 6066)
    assert settings.profile == "development"
    assert (settings.log.format, settings.log.level) == ("json", "info")


def test_a_file_named_env_is_read_and_the_environment_goes_before_it(settings_of, tmp_path):
    (tmp_path / ".env").write_text("POSTPAY_LANES=4\nPOSTPAY_GROUP=from-file\nSOMETHING_ELSE=1\n")
    settings = settings_of(POSTPAY_LANES=5)
    assert (settings.lanes, settings.group) == (5, "from-file")


def test_an_empty_value_means_the_default(settings_of):
    assert settings_of(POSTPAY_LANES="", POSTPAY_KAFKA__PASSWORD_FILE="").lanes == 8


def test_words_may_be_written_in_any_case(settings_of):
    settings = settings_of(POSTPAY_CLOCK="EVENT", POSTPAY_LOG__LEVEL="Debug", POSTPAY_KAFKA__SECURITY_PROTOCOL="ssl")
    assert (settings.clock, settings.log.level, settings.kafka.security_protocol) == ("event", "debug", "SSL")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("POSTPAY_LANES", "many", "a whole number from 1 to 1024"),
        ("POSTPAY_LANES", "0", "a whole number from 1 to 1024"),
        ("POSTPAY_CLOCK", "sun", "wall or event"),
        ("POSTPAY_KAFKA__BOOTSTRAP", "broker", "host:port"),
        ("POSTPAY_KAFKA__BOOTSTRAP", "kafka://broker:9092", "host:port"),
        ("POSTPAY_KAFKA__SECURITY_PROTOCOL", "TLS", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
        ("POSTPAY_KAFKA__CA_FILE", "/no/such/file", "a file that can be read"),
        ("POSTPAY_POSTGRES__DSN", "mysql://localhost/x", "postgresql://user:password@host:port/database"),
        ("POSTPAY_TOPICS__PREFIX", "a b", "letters, digits"),
        ("POSTPAY_OPS__PORT", "70000", "a whole number from 0 to 65535"),
        ("POSTPAY_PROFILE", "prod", "development or production"),
        ("POSTPAY_LOG__FORMAT", "xml", "json or console"),
        ("POSTPAY_WORKER__WATCHDOG_S", "-1", "seconds, more than 0"),
    ],
)
def test_a_wrong_value_is_one_line_naming_setting_expectation_and_value(refusal_of, name, value, expected):
    said = refusal_of(**{name: value})
    assert "\n" not in said
    assert said.startswith(f"{name}: expected {expected}")
    assert repr(value) in said


def test_two_wrong_settings_are_two_lines(refusal_of):
    said = refusal_of(POSTPAY_LANES="x", POSTPAY_CLOCK="y").splitlines()
    assert [line.partition(":")[0] for line in said] == ["POSTPAY_LANES", "POSTPAY_CLOCK"]


def test_a_password_in_a_wrong_dsn_is_not_shown(refusal_of):
    said = refusal_of(POSTPAY_POSTGRES__DSN="mysql://me:hidden@db/x?password=hidden")
    assert "hidden" not in said
    assert "me:…@db" in said


def test_a_password_is_not_in_the_settings_own_text(settings_of):
    assert "hidden" not in repr(settings_of(POSTPAY_POSTGRES__DSN="postgresql://me:hidden@db/x"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("POSTPAY_LANE", "POSTPAY_LANES"),
        ("POSTPAY_KAKFA__BOOTSTRAP", "POSTPAY_KAFKA__BOOTSTRAP"),
        ("POSTPAY_KAFKA__BOOTSTRAPS", "POSTPAY_KAFKA__BOOTSTRAP"),
        ("POSTPAY_KAFKA_BOOTSTRAP", "POSTPAY_KAFKA__BOOTSTRAP"),
    ],
)
def test_a_mistyped_name_is_refused_with_what_was_meant(refusal_of, name, meant):
    assert refusal_of(**{name: "4"}) == (
        f"{name}: expected the name of a setting, got one that does not exist; did you mean {meant}?"
    )


def test_a_mistyped_name_in_the_file_is_refused_too(refusal_of, tmp_path):
    (tmp_path / ".env").write_text("POSTPAY_LANE=4\n")
    assert "did you mean POSTPAY_LANES?" in refusal_of()


def test_what_kubernetes_injects_beside_a_service_called_postpay_is_no_mistake(settings_of):
    settings_of(POSTPAY_PORT="tcp://10.0.0.1:6066", POSTPAY_SERVICE_HOST="10.0.0.1", POSTPAY_SERVICE_PORT_OPS="6066")


def test_a_section_set_as_a_whole_is_refused(refusal_of):
    assert refusal_of(POSTPAY_KAFKA="localhost:9092").startswith("POSTPAY_KAFKA: expected POSTPAY_KAFKA__…")


def test_the_database_password_may_come_from_a_file(settings_of, password_file):
    settings = settings_of(
        POSTPAY_POSTGRES__DSN="postgresql://me@db:5432/postpay?sslmode=require",
        POSTPAY_POSTGRES__PASSWORD_FILE=password_file,
    )
    assert settings.postgres.dsn == "postgresql://me:xQ9-long%2Fand%3Aodd@db:5432/postpay?sslmode=require"
    assert settings.postgres.password.get_secret_value() == "xQ9-long/and:odd"


def test_sasl_needs_mechanism_user_and_password(refusal_of):
    said = refusal_of(POSTPAY_KAFKA__SECURITY_PROTOCOL="SASL_SSL", POSTPAY_KAFKA__SASL_MECHANISM="PLAIN").splitlines()
    assert [line.partition(":")[0] for line in said] == ["POSTPAY_KAFKA__USERNAME", "POSTPAY_KAFKA__PASSWORD_FILE"]


def test_an_empty_password_file_is_refused(refusal_of, tmp_path):
    (tmp_path / "empty").write_text("\n")
    said = refusal_of(
        POSTPAY_KAFKA__SECURITY_PROTOCOL="SASL_SSL",
        POSTPAY_KAFKA__SASL_MECHANISM="OAUTHBEARER",
        POSTPAY_KAFKA__PASSWORD_FILE=tmp_path / "empty",
    )
    assert said.startswith("POSTPAY_KAFKA__PASSWORD_FILE: expected a password in the file")


PRODUCTION = {
    "POSTPAY_PROFILE": "production",
    "POSTPAY_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "POSTPAY_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
    "POSTPAY_KAFKA__USERNAME": "postpay",
    "POSTPAY_POSTGRES__DSN": "postgresql://postpay:qP3-unlike@db/postpay?sslmode=verify-full",
}


def test_production_takes_encrypted_connections_with_passwords_of_ones_own(settings_of, password_file):
    settings = settings_of(**PRODUCTION, POSTPAY_KAFKA__PASSWORD_FILE=password_file)
    assert settings.profile == "production"
    assert settings.kafka.password().get_secret_value() == "xQ9-long/and:odd"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"POSTPAY_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT"}, "POSTPAY_KAFKA__SECURITY_PROTOCOL: expected SSL"),
        ({"POSTPAY_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "POSTPAY_KAFKA__SECURITY_PROTOCOL: expected SSL"),
        ({"POSTPAY_POSTGRES__DSN": "postgresql://me:qP3-unlike@db/x"}, "POSTPAY_POSTGRES__DSN: expected sslmode="),
        (
            {"POSTPAY_POSTGRES__DSN": "postgresql://me:qP3-unlike@db/x?sslmode=prefer"},
            "POSTPAY_POSTGRES__DSN: expected sslmode=",
        ),
        (
            {"POSTPAY_POSTGRES__DSN": "postgresql://me@db/x?sslmode=require"},
            "POSTPAY_POSTGRES__DSN: expected a password",
        ),
        (
            {"POSTPAY_POSTGRES__DSN": "postgresql://me:postpay@db/x?sslmode=require"},
            "POSTPAY_POSTGRES__DSN: expected a password of your own",
        ),
    ],
)
def test_production_refuses_plaintext_and_default_or_absent_secrets(refusal_of, password_file, changed, complaint):
    said = refusal_of(**{**PRODUCTION, "POSTPAY_KAFKA__PASSWORD_FILE": password_file, **changed})
    assert "\n" not in said
    assert said.startswith(complaint)
    assert "POSTPAY_PROFILE=production" in said
    assert "qP3-unlike" not in said


def test_production_refuses_a_broker_password_from_the_examples(refusal_of, tmp_path):
    (tmp_path / "password").write_text("changeme\n")
    said = refusal_of(**PRODUCTION, POSTPAY_KAFKA__PASSWORD_FILE=tmp_path / "password")
    assert said.startswith("POSTPAY_KAFKA__PASSWORD_FILE: expected a password of your own")


def test_a_database_behind_a_unix_socket_needs_neither_tls_nor_password(settings_of, password_file):
    settings_of(
        **{**PRODUCTION, "POSTPAY_POSTGRES__DSN": "postgresql:///postpay?host=/var/run/postgresql"},
        POSTPAY_KAFKA__PASSWORD_FILE=password_file,
    )


def test_every_setting_stands_in_the_documentation_with_its_default_and_no_other_does():
    table = (REPOSITORY / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `(POSTPAY_\w+)` \| (.*?) \|", table, flags=re.MULTILINE))
    assert rows == {each.name: f"`{each.default}`" if each.default else "–" for each in described(Settings)}
