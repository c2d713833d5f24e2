"""An inequality that counts as violated goes on counting after a run was put back: no event is told twice or missing."""

from __future__ import annotations

from engine.measure.violations import Violations


def test_what_is_handed_on_is_a_copy_and_goes_on_as_the_original_would() -> None:
    first = Violations()
    first.restore({"eq13": (2, 5)})
    kept = first.state()
    first.restore({"eq13": (7, 5)})
    assert kept == {"eq13": (2, 5)}
    second = Violations()
    second.restore(kept)
    assert second.state() == kept
