import os
import subprocess
import sys

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from settlement.messages import Input
from tests.property import properties
from tests.property.campaign import SEED, tried
from tests.property.histories import histories
from tests.property.shortest import check
from tests.property.stories import Story, stories


@pytest.fixture(scope="module", autouse=True)
def _seed_is_told():
    print(f"POSTPAY_SEED={SEED}")


@tried(600)
@given(histories())
def test_core_and_model_agree_after_every_input(history: list[Input]):
    check(properties.core_and_model_agree, history)


@tried(250)
@given(histories(), st.integers(0, 2**32), st.booleans())
def test_any_split_into_batches_comes_to_the_same(history: list[Input], cuts: int, whole: bool):
    note(f"cuts by seed {cuts}, everything loaded: {whole}")
    check(properties.AnySplit(cuts, whole=whole), history)


@tried(250)
@given(histories())
def test_a_history_sent_twice_changes_nothing(history: list[Input]):
    check(properties.sent_twice_changes_nothing, history)


@tried(300)
@given(stories())
def test_another_order_of_arrival_across_topics_converges(story: Story):
    note("arrived otherwise: " + " ".join(message.event_id for message in story.otherwise))
    check(properties.Converges(story.otherwise), story.told)


def test_decisions_do_not_depend_on_the_process_that_makes_them():
    """Nothing may hang on the order of a set of texts, which differs from process to process."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.property.digest", "7", "60"],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
        )
        for hash_seed in ("0", "5")  # which order o1 to o4 the other way round
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert first == second
