"""``python -m tests.session.fuzz --files 20000``: mutated sessions against the reader, in processes of their own.

A process has little memory and a watchdog; whatever kills it, or is not a sentence, is found with the seed that makes
the file again: ``--seed 4711 --files 1``.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MEMORY_MB = 1024
"""Address space of a process beyond what it has when it begins."""

SECONDS_A_FILE = 20.0
BATCH = 500


def child(first: int, count: int, folder: Path) -> int:
    """Try some seeds; prints each before it is tried, so that the parent knows the one that killed it."""
    from tests.session.fuzz.malformed import make
    from tests.session.fuzz.reader_probe import probe
    from tests.session.recorded import write_session

    sound = write_session(folder / "sound.wnt", range(70))
    bytes_of_it = sound.read_bytes()
    sound.unlink()
    with Path("/proc/self/statm").open(encoding="ascii") as status:
        now = int(status.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_MB * 2**20,) * 2)
    path = folder / "malformed.wnt"
    for seed in range(first, first + count):
        for left in folder.iterdir():
            left.unlink()
        print(f"seed {seed}", flush=True)
        done = make(seed, bytes_of_it, path)
        before = _digest(path) if not _beside(path) else None
        faulthandler.dump_traceback_later(SECONDS_A_FILE, exit=True)
        found = probe(path, draw=seed % 4 == 0)
        faulthandler.cancel_dump_traceback_later()
        if "\n" in found:
            raise AssertionError(f"not one sentence: {found!r}")
        if before is not None and _digest(path) != before:
            raise AssertionError("reading changed the file")
        strange = {each.name for each in folder.iterdir()} - {path.name, *_side_names(path)}
        if strange:
            raise AssertionError(f"reading made files: {strange}")
        print(f"done {'+'.join(done)} {'opened' if found == 'opened' else 'refused'}", flush=True)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}", flush=True)
    return 0


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:  # some mutations make a file of hundreds of megabytes
        return hashlib.file_digest(file, "sha256").digest()


def _side_names(path: Path) -> list[str]:
    return [path.name + suffix for suffix in ("-wal", "-shm", "-journal", ".lock", ".viewers")]


def _beside(path: Path) -> bool:
    return any(path.with_name(name).exists() for name in _side_names(path))


def run(first: int, files: int, report: Callable[[str], None] = print) -> tuple[list[str], str]:
    """Try seeds in processes.

    Args:
        first: The first seed.
        files: How many.
        report: Called with each failure when it happens.

    Returns:
        A line a failure, and a summary.
    """
    began, failures, peak = time.monotonic(), [], 0
    outcomes: collections.Counter[str] = collections.Counter()
    seed, stop = first, first + files
    while seed < stop:
        with tempfile.TemporaryDirectory() as folder:
            count = min(BATCH, stop - seed)
            done = subprocess.run(
                [sys.executable, "-m", "tests.session.fuzz", "--child", str(seed), str(count), folder],
                capture_output=True, text=True, errors="replace", check=False,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
        lines = done.stdout.splitlines()
        outcomes.update(line.split()[2] for line in lines if line.startswith("done "))
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("peak "))])
        tried = [int(line.split()[1]) for line in lines if line.startswith("seed ")]
        if done.returncode == 0:
            seed += count
            continue
        last = tried[-1] if tried else seed
        why = [line for line in done.stderr.strip().splitlines() if line.strip()]
        failures.append(f"seed {last}: {' / '.join(why[-3:]) if why else f'killed ({done.returncode})'}")
        report(failures[-1])
        seed = last + 1
    found = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    seconds = time.monotonic() - began
    return failures, f"{files} files in {seconds:.0f} s: {found}, {len(failures)} failures; at most {peak} MB"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return child(int(given.child[0]), int(given.child[1]), Path(given.child[2]))
    failures, found = run(given.seed, given.files, lambda line: print(line, flush=True))
    print(found)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
