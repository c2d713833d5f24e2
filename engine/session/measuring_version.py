"""The version of wnt-tui that measured a row: a session that a newer version has gone on with has rows of both."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.session.schema import LARGEST_STEP

VERSION = "wnt_tui_version"
"""Key of ``meta``: the version that began the session."""

MEASURED_BY = "measured_by"
"""Key of ``meta``: JSON, ``{"13": "0.4.0"}``, the versions that measured later rows, by the first of them."""

Version = tuple[int, ...]


def measuring_version(meta: Mapping[str, str], step: int) -> str:
    """The version that measured the row of a step, empty where the session does not say."""
    versions = _later(meta)
    begun = [at for at in versions if at <= step]
    return versions[max(begun)] if begun else meta.get(VERSION, "")


def gone_on_with(meta: Mapping[str, str], step: int, version: str) -> dict[str, str]:
    """The entries of ``meta`` to set where a version measures the rows from a step on; {} where it says so already."""
    if measuring_version(meta, step) == version:
        return {}
    kept = {str(at): by for at, by in sorted(_later(meta).items()) if at < step}
    return {MEASURED_BY: json.dumps(kept | {str(step): version})}


def parsed(version: str) -> Version:
    """A version as numbers that compare, () where it is none, which is older than all."""
    parts = version.split(".")
    return tuple(map(int, parts[:3])) if all(part.isdecimal() for part in parts[:3]) else ()


def _later(meta: Mapping[str, str]) -> dict[int, str]:
    """What an untrusted file says of later versions, as far as it makes sense."""
    try:
        found = json.loads(meta.get(MEASURED_BY, "{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        int(at): by
        for at, by in found.items()
        if at.isascii() and at.isdecimal() and len(at) < 20 and int(at) <= LARGEST_STEP and isinstance(by, str)
    }
