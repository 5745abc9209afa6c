"""Brokers that want a log-in or a certificate: what is said of a wrong one, and that a changed one is taken up."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from tests.certificates import Authority
from tests.command import Command
from tests.faults.load import Load
from tests.faults.secured import HAS_IPV6, SecuredKafka
from tests.faults.view import View
from tests.platform import Platform, eventually, platform

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

HEALED_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def kafka(authority, tmp_path_factory) -> Iterator[SecuredKafka]:
    node = SecuredKafka(tmp_path_factory.mktemp("secured"), authority)
    node.start()
    try:
        yield node
    finally:
        node.stop()
        node.wipe()


async def relayed(made: Platform) -> None:
    """Wait until something more is settled and sent than now."""
    query = "SELECT coalesce(sum(settled_records), 0)::bigint FROM lane_offset"
    settled = await made.count(query)

    async def more():
        return await made.count(query) > settled and await made.relayed()

    await eventually(more, HEALED_WITHIN_S, made.state)


async def test_a_rotated_password_is_waited_for_and_taken_up(kafka, stack, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("first\n")
    async with platform(kafka.bootstrap, stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        login = {
            "POSTPAY_KAFKA__BOOTSTRAP": kafka.bootstrap_of("login"),
            "POSTPAY_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "POSTPAY_KAFKA__SASL_MECHANISM": "PLAIN",
            "POSTPAY_KAFKA__USERNAME": "worker",
            "POSTPAY_KAFKA__PASSWORD_FILE": str(secret),
        }
        worker = made.worker(**login)
        view = View(worker)
        load = Load(made, random.Random(7))
        await load.begin()
        await made.settled(load.sent)
        kafka.password = "second"
        await asyncio.to_thread(kafka.stop)
        await asyncio.to_thread(kafka.start)
        await load.run(2)
        await view.says("refuses the log-in of worker")
        assert "POSTPAY_KAFKA__PASSWORD_FILE" in await view.not_ready()
        assert await view.metric("postpay_broker_up") == 0
        asked = await asyncio.to_thread(Command({**made.environment, **login}), "lag")
        assert asked.code == 2
        assert "refuses the log-in of worker" in asked.complaint
        secret.write_text("second\n")
        await relayed(made)
        await view.is_ready(HEALED_WITHIN_S)
        await made.settled(load.sent, within_s=HEALED_WITHIN_S)
        await load.require_each_effect_once()
        assert len(view.lines("the broker refuses the log-in")) == 1
        assert view.lines("a broker answers again")
        assert await worker.stopped() == 0


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no address ::1")
async def test_brokers_may_have_addresses_of_ipv6_and_blanks_between_them(kafka, stack, tmp_path):
    async with platform(kafka.bootstrap, stack.dsn, tmp_path) as made:
        worker = made.worker(POSTPAY_KAFKA__BOOTSTRAP=f" {kafka.bootstrap_of('six')} , 127.0.0.1:1")
        load = Load(made, random.Random(9))
        await load.begin()
        await made.settled(load.sent)
        await load.require_each_effect_once()
        assert await worker.stopped() == 0


async def test_a_worker_shows_its_certificate_and_a_renewed_one_at_the_next_connection(
    kafka, authority, stack, tmp_path
):
    shown, key = tmp_path / "client.pem", tmp_path / "client.key"
    stranger = Authority(tmp_path, "stranger").certificate("worker")
    known = authority.certificate("worker")
    mutual = {
        "POSTPAY_KAFKA__BOOTSTRAP": kafka.bootstrap_of("mutual"),
        "POSTPAY_KAFKA__SECURITY_PROTOCOL": "SSL",
        "POSTPAY_KAFKA__CA_FILE": str(authority.file),
        "POSTPAY_KAFKA__CERTIFICATE_FILE": str(shown),
        "POSTPAY_KAFKA__KEY_FILE": str(key),
    }

    def show(certificate):
        shown.write_text(certificate.certificate.read_text())
        key.write_text(certificate.key.read_text())

    async with platform(kafka.bootstrap, stack.dsn, tmp_path, POSTPAY_OPS__REFRESH_S="0.5") as made:
        postpay = Command({**made.environment, **mutual})
        show(stranger)
        asked = await asyncio.to_thread(postpay, "topics", "check")
        assert asked.code == 2
        show(known)
        asked = await asyncio.to_thread(postpay, "topics", "check")
        assert asked.code == 0, asked.err
        worker = made.worker(**mutual)
        view = View(worker)
        load = Load(made, random.Random(8))
        await load.begin()
        await made.settled(load.sent)
        show(stranger)
        await view.says("no broker answers")
        show(known)
        await view.is_ready(HEALED_WITHIN_S)
        await load.require_each_effect_once()
        assert await worker.stopped() == 0
