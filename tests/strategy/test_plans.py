"""A plan holds what was measured, and says so."""

from dataclasses import replace

from tests.strategy.evidences import MACHINE, evidence

from striate.strategy.plans import training_plan
from striate.values import Choice, FlipGain, Options, say


def test_mirroring_is_added_where_it_was_measured_to_help() -> None:
    gain = FlipGain(
        helps=True, gain=0.05, error=0.01, log_loss=0.4, right_plain=80, right_mirrored=85, n=100
    )
    epochs = Choice(value=3, why=say("test.epochs", "three"), ground="measured")
    strategy = Choice(value="scratch", why=say("test.scratch", "so"), ground="measured")
    found = {}
    for name, flips in (("none", None), ("helps", gain), ("not", replace(gain, helps=False))):
        measured = replace(evidence(), flips=flips)
        plan = training_plan(measured, Options(), MACHINE, strategy, epochs)
        found[name] = plan.augment
    assert "flip" not in found["none"].value
    assert found["helps"].value == {**found["none"].value, "flip": 1.0}
    assert found["helps"].ground == found["not"].ground == "measured"
    assert found["not"].value == found["none"].value
    assert "0.050" in found["not"].why.text
