"""Every output can be written, under a type of its own."""

from collections import Counter
from typing import get_args

from contracts.encode import WRITERS
from contracts.outputs import OUTPUTS
from settlement.outputs import OutputBody


def test_every_output_has_a_type_of_its_own():
    without = {body.__name__ for body in get_args(OutputBody) if not hasattr(body, "type")}
    assert not without, f"these bodies of settlement/outputs.py lack a `type`: {without}"
    types = Counter(body.type for body in get_args(OutputBody))
    assert not [name for name, times in types.items() if times > 1]


def test_every_output_has_a_writer_and_a_shape_on_the_wire():
    without = {body.__name__ for body in get_args(OutputBody)} - {body.__name__ for body in WRITERS}
    assert not without, f"WRITERS of contracts/encode.py cannot write {without}"
    shapeless = {body.type for body in WRITERS} - OUTPUTS.keys()
    assert not shapeless, f"OUTPUTS of contracts/outputs.py has no shape for {shapeless}"
