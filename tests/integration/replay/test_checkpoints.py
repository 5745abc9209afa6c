"""Verifying from where the last verification came to."""

import json
from dataclasses import replace

import pytest

from storage.database import connect
from tests.command import Command
from tests.integration.replay.conftest import LANES, falsify
from workers.replay import checkpoint
from workers.replay.history import cut
from workers.replay.verification import Job, LaneVerification, begin, verify_lane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LAST = 10**9


@pytest.mark.parametrize("lane", range(LANES))
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
async def test_from_any_batch_on_the_rest_comes_to_the_same(settled, lane, share, tmp_path):
    until = await settled.platform.fetch(
        "SELECT lane_time FROM batch WHERE lane = $1 ORDER BY batch_seq OFFSET"
        " (SELECT (count(*) * $2::float)::int FROM batch WHERE lane = $1) LIMIT 1",
        lane,
        share,
    )
    history = await cut(settled.history, until[0]["lane_time"])
    job = Job(settled.database_id, checkpoints=tmp_path, from_batch=LAST)
    connection = await connect(settled.platform.settings.postgres.dsn, application_name="test")
    try:
        replay, sent_to = await begin(job, history, lane, connection, tmp_path / "lane.sqlite")
        verification = LaneVerification(job, history, lane, lambda *_: None, connection, replay, sent_to)
        assert await verification.through(history) is None
        at = replay.standing.batch_seq
        checkpoint.save(tmp_path, settled.database_id, replay, {})
    finally:
        await connection.close()

    report = await verify_lane(replace(job, outputs=False), settled.history, lane, lambda *_: None)

    assert report.difference is None, str(report.difference)
    assert report.from_batch == at + 1 < report.to_batch == settled.history.extents[lane].last.batch_seq
    assert report.state_rows > 0


async def test_the_command_keeps_what_it_proved_and_goes_on_from_there(settled, tmp_path):
    postpay = Command(settled.platform.environment)
    folder = str(tmp_path / "proven")
    assert postpay("replay", "verify", "--from-batch", "2").complaint.endswith("name its folder with --checkpoint DIR")
    whole = postpay.process("replay", "verify", "--checkpoint", folder, "--json")
    assert whole.code == 0, whole.out + whole.err
    ends = [each["to_batch"] for each in whole.json["lanes"]]
    again = postpay.process("replay", "verify", "--checkpoint", folder, "--from-batch", str(LAST), "--json")
    assert (again.code, again.json["complete"], again.json["messages"]) == (0, True, 0), again.out + again.err
    assert [each["from_batch"] - 1 for each in again.json["lanes"]] == ends
    assert again.json["state_rows"] == whole.json["state_rows"]
    from_the_first = postpay.process("replay", "verify", "--checkpoint", folder, "--json")
    assert from_the_first.json["messages"] == whole.json["messages"]
    async with settled.copy() as dsn:
        await falsify(dsn, "UPDATE account SET score = 1 WHERE lane = 0")
        other = ("--from-batch", str(LAST), "--json")
        ran = postpay.process("replay", "verify", "--checkpoint", folder, *other, POSTPAY_POSTGRES__DSN=dsn)
        assert (ran.code, ran.json["lanes"][0]["difference"]["column"]) == (1, "score")


async def test_a_checkpoint_that_was_changed_or_is_of_another_database_is_refused(settled, tmp_path):
    postpay = Command(settled.platform.environment)
    arguments = ("replay", "verify", "--lane", "0", "--checkpoint", str(tmp_path))
    assert postpay.process(*arguments).code == 0
    (said,) = tmp_path.glob("*.json")
    kept = json.loads(said.read_text())
    said.with_suffix(".sqlite").open("ab").write(b"\0")
    ran = postpay.process(*arguments, "--from-batch", str(LAST))
    assert ran.code != 0 and "it was changed or damaged" in ran.err
    said.write_text(json.dumps(kept | {"database_id": "another"}))
    ran = postpay.process(*arguments, "--from-batch", str(LAST))
    assert ran.code != 0 and "is of database another" in ran.err
    said.write_text(json.dumps(kept | {"shape": "of an older release"}))
    ran = postpay.process(*arguments, "--from-batch", str(LAST), "--json")
    assert (ran.code, ran.json["lanes"][0]["from_batch"]) == (0, 1)
