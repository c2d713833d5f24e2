"""Mutants that no test can kill, because what they change is not seen from outside, each with the reason."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
