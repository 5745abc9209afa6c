"""Fetching the broker's jars, from a Maven repository on this machine."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devstack import jars, ports
from devstack.errors import DevstackError


def make_jar(artifact, content):
    import hashlib

    return jars.Jar(hashlib.sha256(content).hexdigest(), len(content), "org.example", artifact, "1.0"), content


CONTENTS = dict(make_jar(f"part-{number}", f"jar {number}".encode() * 100) for number in range(3))


def path_in_repository(jar):
    return Path(*jar.group.split("."), jar.artifact, jar.version, jar.file_name)


class Requests(list):
    """The paths asked for, jars only."""

    @property
    def jars(self):
        return [path for path in self if path.endswith(".jar")]


@pytest.fixture
def requests():
    return Requests()


@pytest.fixture
def repository(tmp_path, requests):
    """Address and folder of a repository that has all jars."""
    root = tmp_path / "repository"
    for jar, content in CONTENTS.items():
        path = root / path_in_repository(jar)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((ports.LOOPBACK, 0), partial(Handler, directory=root)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://{ports.LOOPBACK}:{server.server_port}", root
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(tmp_path, repository, monkeypatch):
    """Fetch the made-up jars into a folder of the test."""
    lock = tmp_path / "kafka.jars"
    lines = [f"{jar.sha256} {jar.size_bytes} {jar.group}:{jar.artifact}:{jar.version}" for jar in CONTENTS]
    lock.write_text("\n".join(["# a comment", *lines]))
    monkeypatch.setattr(jars, "LOCK_FILE", lock)
    messages = []
    address, _ = repository
    folder = tmp_path / "jars"

    def fetch(address=address):
        messages.clear()
        class_path = jars.class_path(messages.append, folder, address)
        return [Path(entry) for entry in class_path.split(":")], messages

    return fetch


def test_jars_are_fetched_and_given_in_the_order_of_the_lock_file(fetch):
    paths, messages = fetch()
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert messages[0] == "fetching Kafka, 3 jars, 0 MB"


def test_a_second_run_needs_no_network(fetch, requests):
    fetch()
    requests.clear()
    _, messages = fetch()
    assert messages == []
    assert requests == []


@pytest.mark.parametrize("damage", [b"", b"jar", CONTENTS[next(iter(CONTENTS))].replace(b"j", b"g")])
def test_a_damaged_jar_is_fetched_again_and_only_that_one(fetch, requests, damage):
    paths, _ = fetch()
    paths[0].write_bytes(damage)
    requests.clear()
    fetch()
    assert paths[0].read_bytes() == next(iter(CONTENTS.values()))
    assert len(requests.jars) == 1


def test_a_jar_the_repository_has_altered_is_refused_and_not_kept(fetch, repository, tmp_path):
    jar = next(iter(CONTENTS))
    (repository[1] / path_in_repository(jar)).write_bytes(b"something else")
    with pytest.raises(
        DevstackError, match=rf"org.example:{jar.artifact}:1.0 was fetched with .* expected {jar.sha256}"
    ):
        fetch()
    assert not (tmp_path / "jars" / jar.file_name).exists()
    assert not list((tmp_path / "jars").glob("incoming-*"))


def test_what_was_fetched_before_a_failure_is_kept(fetch, repository, tmp_path):
    last = list(CONTENTS)[-1]
    (repository[1] / path_in_repository(last)).unlink()
    with pytest.raises(DevstackError, match=f"could not fetch org.example:{last.artifact}:1.0"):
        fetch()
    (repository[1] / path_in_repository(last)).write_bytes(CONTENTS[last])
    fetch()
    assert {path.name for path in (tmp_path / "jars").glob("*.jar")} == {jar.file_name for jar in CONTENTS}


def test_a_repository_that_cannot_be_reached_is_told_with_what_to_do(fetch):
    with pytest.raises(DevstackError, match=r"could not fetch .* check the network, or name a mirror"):
        fetch(f"http://{ports.LOOPBACK}:{ports.choose()}")


def test_the_real_lock_file_names_every_jar_once_and_one_version_of_kafka():
    locked = jars.locked_jars()
    assert len({jar.file_name for jar in locked}) == len(locked) > 40
    assert {jar.version for jar in locked if jar.group == "org.apache.kafka"} == {jars.kafka_version()}
