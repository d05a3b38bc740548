"""Every parser that reads bytes holds to the law, whatever it is given."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.fire.fuzz.every import TARGETS
from tests.fire.fuzz.found import FOUND
from tests.fire.fuzz.target import inputs, must_hold
from tests.fire.size import by_size

QUIET = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate, Phase.shrink),
}


@pytest.mark.parametrize("name", TARGETS)
def test_whole_inputs_are_read(name: str) -> None:
    for seed in TARGETS[name].seeds.values():
        must_hold(TARGETS[name], seed)


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name, inputs in FOUND.items() for what in inputs]
)
def test_inputs_that_broke_a_parser_once(name: str, what: str) -> None:
    must_hold(TARGETS[name], FOUND[name][what]())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=25, **QUIET)
@given(data=st.data())
def test_a_few_faults(name: str, data: st.DataObject) -> None:
    must_hold(TARGETS[name], data.draw(inputs(TARGETS[name])))


@pytest.mark.fire
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=by_size(60, 5000), **QUIET)
@given(data=st.data())
def test_many_faults(name: str, data: st.DataObject) -> None:
    must_hold(TARGETS[name], data.draw(inputs(TARGETS[name])))
