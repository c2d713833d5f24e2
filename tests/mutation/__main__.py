"""Change each formula of the engine, one sign, factor or index at a time, and see which test notices.

    python -m tests.mutation                                   all mutants (about half an hour on one core)
    python -m tests.mutation engine/theory/dual.py             those of some files
    python -m tests.mutation --quick                           all, by the tests that know a file best, …
    python -m tests.mutation --survivors                       … then those that no test has killed yet, by all tests
    python -m tests.mutation --write                           … and put the table into tests/README.md

Everything that is slow to import or to compute, and does not depend on the engine, is made once; each mutant is then a
forked process that imports the engine with one file changed, in memory, and runs the tests until one fails. The exit
status is 1 if a mutant survives that is not listed, with its reason, in ``equivalent.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import torch

from tests.closed_form.brute_force import LAYER, STEP
from tests.closed_form.problems import CASES, WITHOUT_PRODUCTS, brute_force
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, files, mutants_of

ROOT = Path(__file__).parents[2]
README = ROOT / "tests" / "README.md"
RESULTS = ROOT / "build" / "mutants.json"
_BEGIN, _END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
_LIMIT = 3.0
"""How often the processor time of the tests without a mutant a mutant may take: one that never ends is as good as seen.
Processor time, because a machine that does other things as well is no mutant."""

# The tests that know a file best come first, so that most mutants end early.
_FIRST = {
    "engine/losses.py": ["closed_form/test_losses.py", "closed_form/test_pass.py", "closed_form/test_kernel.py"],
    "engine/network.py": ["closed_form/test_pass.py", "closed_form/test_kernel.py"],
    "engine/trainer.py": ["training/test_trainer.py", "training/test_budget.py"],
    "engine/training_pass.py": ["training/test_trainer.py", "closed_form/test_ahead.py"],
    "engine/transfer.py": [
        "closed_form/test_transfer.py",
        "closed_form/test_device_paths.py",
        "closed_form/test_ahead.py",
    ],
    "engine/measure/curvature.py": ["closed_form/test_ahead.py"],
    "engine/measure/extremes.py": ["closed_form/test_extremes.py"],
    "engine/measure/gram.py": ["closed_form/test_extremes.py", "closed_form/test_device_paths.py"],
    "engine/measure/hessian.py": ["closed_form/test_pass.py"],
    "engine/measure/kernel.py": ["closed_form/test_kernel.py", "closed_form/test_device_paths.py"],
    "engine/measure/kernel_spectrum.py": [
        "closed_form/test_kernel_spectrum.py",
        "closed_form/test_kernel.py",
        "closed_form/test_ahead.py",
    ],
    "engine/measure/krylov.py": ["closed_form/test_krylov.py", "closed_form/test_ahead.py"],
    "engine/measure/lapack.py": ["closed_form/test_lapack.py", "closed_form/test_extremes.py"],
    "engine/measure/layer_stack.py": ["closed_form/test_layer_stack.py", "closed_form/test_ahead.py"],
    "engine/measure/layer_threads.py": ["closed_form/test_device_paths.py"],
    "engine/measure/layer_features.py": ["closed_form/test_layer_features.py"],
    "engine/measure/layers.py": [
        "closed_form/test_layer_features.py",
        "closed_form/test_device_paths.py",
        "closed_form/test_ahead.py",
    ],
    "engine/measure/lanczos.py": ["closed_form/test_lanczos.py", "closed_form/test_pass.py"],
    "engine/measure/observer.py": [
        "training/test_budget.py",
        "closed_form/test_weight_norms.py",
        "closed_form/test_ahead.py",
    ],
    "engine/measure/row_norms.py": [
        "closed_form/test_feature_norms.py",
        "closed_form/test_pass.py",
        "closed_form/test_ahead.py",
    ],
    "engine/measure/schedule.py": ["training/test_budget.py"],
    "engine/measure/violations.py": ["closed_form/test_ledger.py"],
    "engine/measure/warm_start.py": ["closed_form/test_warm_start.py", "closed_form/test_ahead.py"],
    "engine/measure/weight_norms.py": ["closed_form/test_weight_norms.py", "closed_form/test_ahead.py"],
    "engine/measure/norm_bound.py": ["closed_form/test_weight_norms.py", "closed_form/test_ahead.py"],
    "engine/measure/queued_looks.py": ["closed_form/test_weight_norms.py", "closed_form/test_ahead.py"],
    "engine/theory/activation.py": ["closed_form/test_activation.py"],
    "engine/theory/conditioning.py": ["closed_form/test_conditioning.py"],
    "engine/theory/dual.py": ["closed_form/test_dual.py"],
    "engine/theory/eigenvalue_bounds.py": ["closed_form/test_eigenvalue_bounds.py"],
    "engine/theory/generalization.py": ["closed_form/test_generalization.py"],
    "engine/theory/gershgorin.py": ["closed_form/test_gershgorin.py"],
    "engine/theory/inequality.py": ["closed_form/test_ledger_terms.py", "closed_form/test_ledger.py"],
    "engine/theory/infinite_width.py": ["closed_form/test_infinite_width.py"],
    "engine/theory/ledger.py": ["closed_form/test_ledger.py"],
    "engine/theory/ledger_terms.py": ["closed_form/test_ledger_terms.py", "closed_form/test_ledger.py"],
    "engine/theory/losses.py": ["closed_form/test_loss_constants.py"],
    "engine/theory/pairings.py": ["closed_form/test_pairings.py"],
    "engine/theory/predictions.py": ["closed_form/test_predictions.py"],
    "engine/theory/random_matrix.py": ["closed_form/test_random_matrix.py"],
    "engine/theory/recursion.py": ["closed_form/test_recursion.py"],
}
_THEN = ["closed_form/test_every_metric.py", "training/test_honest_numbers.py", "training/test_trainer.py"]
# Written without the engine, with all that brute force has computed.
_KEPT = {"tests", "tests.closed_form", "tests.closed_form.brute_force", "tests.closed_form.problems"}
_STRUCTURE = (
    "tests/closed_form/test_every_metric.py::test_brute_force_knows_every_metric_except_those_with_a_test_of_their_own"
)
_LEFT_OUT = {"test_theory_imports.py", "test_oracles.py"}  # these start processes or read files: no formulas


def tests_for(file: str, *, quick: bool) -> list[list[str]]:
    """The tests that know a file best, those of every metric, and all other tests of formulas."""
    first = _FIRST.get(file, [])
    rest = sorted(
        str(path.relative_to(ROOT / "tests"))
        for path in (ROOT / "tests" / "closed_form").glob("test_*.py")
        if path.name not in _LEFT_OUT
    )
    then = [name for name in dict.fromkeys([*_THEN, *rest]) if name not in first]
    groups = [first, then[:1]] if quick else [first, then[:1], then[1:]]
    return [[f"tests/{name}" for name in group] for group in groups]


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = mutant.file.removesuffix(".py").replace("/", ".")
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(ROOT / self._mutant.file))

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.source, str(ROOT / self._mutant.file), "exec"), module.__dict__)


class _FirstFailure:
    """Notes the first test that fails, or the file that cannot be imported."""

    def __init__(self, channel: int) -> None:
        self._channel, self._told = channel, False

    def _tell(self, test: str) -> None:
        if not self._told:
            os.write(self._channel, test.encode())
            self._told = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._tell(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell(report.nodeid)


def prepare() -> None:
    """Compute what brute force needs once; every fork inherits it."""
    for case, of in CASES.items():
        run = brute_force(case)
        for k in range(len(run.rows)):
            for name, step in STEP.items():
                dense = name in {"smoothness_hessian", "predicted_lemma1", "predicted_lemma10"}
                if case not in WITHOUT_PRODUCTS or not (
                    dense or name.startswith(("ntk", "pntk", "ratio", "smoothness_g"))
                ):
                    step(run, k)
            for name, layer in LAYER.items():
                if case not in WITHOUT_PRODUCTS or name != "ntk_trace_share":
                    for m in range(of.depth + 1):
                        layer(run, k, m)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)  # imports torch's compiler, seconds that every fork would spend
    # What the tests import besides the engine, and what pytest itself imports, stays; the engine goes again.
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["-q", "-p", "no:cacheprovider", "--collect-only", str(ROOT / "tests" / "closed_form")])
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("engine", "tests") and name not in _KEPT:
            del sys.modules[name]


def _run_tests(mutant: Mutant | None, file: str, channel: int, *, quick: bool, limit: float) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    signal.setitimer(signal.ITIMER_PROF, limit)
    if mutant is not None:
        sys.meta_path.insert(0, _Mutated(mutant))
    # The same few examples for each mutant, and no search for a smaller one.
    hypothesis.settings.register_profile(
        "mutants",
        deadline=None,
        database=None,
        derandomize=True,
        max_examples=25,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    os.chdir(ROOT)
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "--deselect", _STRUCTURE]
    for tests in tests_for(file, quick=quick):
        code = pytest.main([*options, *tests], plugins=[_FirstFailure(channel)]) if tests else 0
        if code not in (0, 1, 2):
            os.write(channel, b"pytest itself")
        if code != 0:
            return


def killer_of(mutant: Mutant | None, file: str, *, quick: bool = False, limit: float = 0.0) -> tuple[str, float]:
    """The first test that fails with a mutant (or with none), '' if all pass, and the processor time of the tests.

    A limit of 0 seconds is none.
    """
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            _run_tests(mutant, file, write, quick=quick, limit=limit)
        except BaseException as error:
            os.write(write, f"{type(error).__name__} in the runner".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read().decode()
    _, status, used = os.wait4(child, 0)
    if not told and os.WIFSIGNALED(status):
        told = "time limit" if os.WTERMSIG(status) == signal.SIGPROF else "crash"
    elif not told and os.WEXITSTATUS(status) != 0:
        told = "crash"
    return told, used.ru_utime + used.ru_stime


def _short(test: str) -> str:
    return test.removeprefix("tests/").removeprefix("closed_form/")


def table(results: dict[str, dict[str, str]]) -> str:
    """Mutants and their killers, in Markdown."""
    listed = list(results.items())
    killed = sum(bool(entry["killer"]) for _, entry in listed)
    equivalent = sum(not entry["killer"] and key in EQUIVALENT for key, entry in listed)
    lines = [
        f"{len(listed)} mutants: {killed} killed, {equivalent} equivalent, "
        f"{len(listed) - killed - equivalent} not killed.",
    ]
    for file in dict.fromkeys(entry["file"] for _, entry in listed):
        of_file = [(key, entry) for key, entry in listed if entry["file"] == file]
        lines += ["", f"### {file}", "", "| in | changed to | killed by |", "|---|---|---|"]
        for key, entry in of_file:
            code = entry["after"].replace("|", "\\|").replace("`", "'")
            by = f"`{_short(entry['killer'])}`" if entry["killer"] else f"*equivalent:* {EQUIVALENT.get(key, '**no**')}"
            lines.append(f"| {entry['function']} | `{code}` | {by.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Mutation testing of the formulas.")
    parser.add_argument("file", nargs="*", help="source files; all by default")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only the tests that know a file best: survivors take a quarter of the time",
    )
    parser.add_argument("--survivors", action="store_true", help="only what survived last time")
    parser.add_argument("--resume", action="store_true", help="only what no result is known of")
    parser.add_argument("--write", action="store_true", help="put the table into tests/README.md")
    parser.add_argument("--share", default="1/1", help="K/N: every N-th mutant from the K-th, to split the work")
    options = parser.parse_args()
    part, parts = (int(number) for number in options.share.split("/"))
    results_file = RESULTS.with_suffix(f".{part}.json") if parts > 1 else RESULTS
    known: dict[str, dict[str, str]] = json.loads(results_file.read_text()) if results_file.exists() else {}
    mutants = [mutant for file in files(ROOT) for mutant in mutants_of(ROOT, file)]
    chosen = [mutant for mutant in mutants if not options.file or mutant.file in options.file]
    if options.survivors:
        alive = [key for key, entry in known.items() if not entry["killer"] and key not in EQUIVALENT]
        chosen = [mutant for mutant in chosen if mutant.key in alive]
    chosen = chosen[part - 1 :: parts]
    if options.resume:
        chosen = [mutant for mutant in chosen if mutant.key not in known]
    prepare()
    broken, needed = killer_of(None, "engine/measure/layers.py", quick=options.quick)
    if broken:
        print(f"Without any mutant {broken} fails.")
        return 2
    print(f"The tests pass in {needed:.0f} s. {len(chosen)} mutants:")
    for number, mutant in enumerate(chosen, 1):
        began = time.monotonic()
        killer, _ = killer_of(mutant, mutant.file, quick=options.quick, limit=_LIMIT * needed)
        known[mutant.key] = {
            "file": mutant.file, "function": mutant.function, "kind": mutant.kind, "after": mutant.after,
            "killer": killer,
        }  # fmt: skip
        verdict = _short(killer) or ("equivalent" if mutant.key in EQUIVALENT else "SURVIVES")
        print(f"{number}/{len(chosen)} {time.monotonic() - began:.1f}s {mutant.key}: {verdict}", flush=True)
        results_file.parent.mkdir(exist_ok=True)
        results_file.write_text(json.dumps(known, ensure_ascii=False, indent=0))
    current = {mutant.key: known[mutant.key] for mutant in mutants if mutant.key in known}
    if options.write:
        text = README.read_text(encoding="utf-8")
        head, _, rest = text.partition(_BEGIN)
        README.write_text(f"{head}{_BEGIN}\n{table(current)}\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")
    alive = [key for key, entry in current.items() if not entry["killer"] and key not in EQUIVALENT]
    print(f"{len(current)} mutants, {len(alive)} not killed and not known to be equivalent.")
    for key in alive:
        print(f"  {key}")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
