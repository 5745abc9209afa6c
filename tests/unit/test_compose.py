"""docker-compose.yml and the Dockerfile against what they are made of: settings, commands, versions, folders."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from cli import ENTRIES
from devstack import jars
from devstack.installations import installed_version
from workers.settings.descriptions import described
from workers.settings.model import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

EXACT_TAG = re.compile(r"^[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.-]+)?$")


def exposed_ports(service):
    return {int(mapping.rsplit(":", 1)[1]) for mapping in SERVICES[service]["ports"]}


def test_the_services_are_kafka_postgres_the_migration_and_a_worker():
    assert set(SERVICES) == {"kafka", "postgres", "migrate", "worker"}
    assert set(OURS) == {"migrate", "worker"}


@pytest.mark.parametrize("service", OURS)
def test_every_setting_exists_and_has_a_value_that_is_accepted(service, monkeypatch, tmp_path):
    environment = OURS[service]["environment"]
    assert set(environment) <= {setting.name for setting in described(Settings)}
    monkeypatch.chdir(tmp_path)  # no .env of this checkout
    for name, value in environment.items():
        assert isinstance(value, str), f"{name}: YAML makes {value!r} of what must be a string"
        monkeypatch.setenv(name, value)
    loaded = Settings.load()
    assert loaded.kafka.bootstrap == environment["POSTPAY_KAFKA__BOOTSTRAP"]


def test_the_worker_and_the_migration_mean_the_same_database_and_lanes():
    shared = [{name: value for name, value in s["environment"].items() if "OPS" not in name} for s in OURS.values()]
    assert shared[0] == shared[1]


@pytest.mark.parametrize("service", OURS)
def test_settings_point_at_the_services_of_this_file(service):
    environment = OURS[service]["environment"]
    kafka_host, kafka_port = environment["POSTPAY_KAFKA__BOOTSTRAP"].split(":")
    assert f"NETWORK://{kafka_host}:{kafka_port}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    postgres = SERVICES["postgres"]["environment"]
    assert environment["POSTPAY_POSTGRES__DSN"] == (
        f"postgresql://postgres:{postgres['POSTGRES_PASSWORD']}@postgres:5432/{postgres['POSTGRES_DB']}"
    )


@pytest.mark.parametrize("service", sorted(set(SERVICES) - set(OURS)))
def test_images_are_pinned_to_an_exact_version(service):
    assert EXACT_TAG.match(SERVICES[service]["image"])


def test_every_base_of_the_dockerfile_is_pinned_to_an_exact_version():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(EXACT_TAG.match(base) for base in bases), bases


def test_our_image_is_called_by_the_version_of_the_project():
    assert {service["image"] for service in OURS.values()} == {f"postpay:{version('postpay')}"}


def test_kafka_and_postgres_are_those_of_the_embedded_stack():
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{jars.kafka_version()}"
    assert SERVICES["postgres"]["image"] == f"postgres:{installed_version()}"


@pytest.mark.parametrize("service", ["kafka", "postgres", "worker"])
def test_what_runs_on_has_a_health_check(service):
    check = SERVICES[service]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(check)


def test_each_service_waits_until_those_it_needs_are_ready():
    assert SERVICES["migrate"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "postgres": {"condition": "service_healthy"},
    }
    assert SERVICES["worker"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_the_commands_exist():
    (script,) = SERVICES["migrate"]["command"]
    words = [command.split() for command in script.split(" && ")]
    assert [first for first, *_ in words] == ["postpay"] * len(words)
    assert {command for _, command, *_ in words} | {SERVICES["worker"]["command"][0]} <= set(ENTRIES)


def test_nothing_listens_beyond_this_machine():
    for name, service in SERVICES.items():
        for mapping in service.get("ports", []):
            assert mapping.startswith("127.0.0.1:"), name


def test_the_workers_health_is_asked_where_it_answers():
    environment = SERVICES["worker"]["environment"]
    assert "POSTPAY_OPS__HOST" not in environment  # or what the image says would not count
    port = environment["POSTPAY_OPS__PORT"]
    assert f":{port}/readyz" in SERVICES["worker"]["healthcheck"]["test"][-1]
    assert exposed_ports("worker") == {int(port)}


def test_the_image_answers_whoever_asks_from_outside_of_its_container():
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    (host,) = re.findall(r"^ENV POSTPAY_OPS__HOST=(\S+)$", last_stage, re.MULTILINE)
    assert host == "0.0.0.0"


@pytest.mark.parametrize("service", OURS)
def test_our_containers_can_neither_write_nor_gain_rights(service):
    assert OURS[service]["read_only"] is True
    assert OURS[service]["cap_drop"] == ["ALL"]
    assert OURS[service]["security_opt"] == ["no-new-privileges:true"]


def test_the_worker_gets_longer_to_stop_than_it_takes():
    assert int(SERVICES["worker"]["stop_grace_period"].rstrip("s")) > 30


def test_the_image_runs_as_an_ordinary_user_and_installs_only_hashed_packages():
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    user = re.search(r"^USER (\d+)", last_stage, re.MULTILINE)
    assert user
    assert int(user.group(1)) > 0
    installs = re.findall(r"pip install ([^\\\n]*)", DOCKERFILE)
    assert len(installs) == 3
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)


def test_the_image_is_made_of_every_package_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    let_through = set(re.findall(r"^!([\w.]+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert copied == packages | {"docs"}, "the operators' page shows documents"
    assert copied <= let_through
    assert {"pyproject.toml", "README.md", "LICENSE"} <= let_through
