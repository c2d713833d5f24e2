"""What measuring costs beside a plain gradient step: ours, and that of the libraries people would otherwise take.

``python -m benchmarks.cost`` measures ours; with the ``benchmarks`` extra the others too, on the same network and data
in the same process. Every round times a plain step and then each candidate once, so that what the machine does
meanwhile falls on both; the ratio of a candidate is the median over rounds of its seconds over the plain step's. The
plain step is torch's own: ``torch.nn``, autograd, SGD.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the engine process sets it

import numpy as np
import torch
from torch import Tensor, nn

from engine import RunConfig, Trainer

HERE = Path(__file__).parent
RESULT = HERE / "cost.json"
PICTURE = HERE.parent / "docs" / "cost.png"
LIBRARIES = ("torch", "numpy", "PyHessian", "curvlinops-for-pytorch", "nngeometry", "cockpit-for-pytorch")


class Activation(nn.Module):
    """φ̄ of ReLU."""

    def forward(self, h: Tensor) -> Tensor:
        """φ̄(h)."""
        return 1.7128586 * torch.relu(h) - 0.6833317


def network(trainer: Trainer) -> nn.Sequential:
    """The trainer's network as torch modules, with copies of its weights."""
    modules: list[nn.Module] = []
    for weight in trainer.model.weights:
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        linear.weight.data.copy_(weight)
        modules += [linear, Activation()]
    return nn.Sequential(*modules[:-1])


def training_set(trainer: Trainer) -> tuple[Tensor, Tensor]:
    """The trainer's examples and labels as tensors."""
    x, y = torch.as_tensor(trainer.data.x_train), torch.as_tensor(trainer.data.y_train)
    return x.to(trainer.device, trainer.model.dtype), y.to(trainer.device)


@dataclass(frozen=True)
class Candidate:
    """Something that is timed.

    Attributes:
        what: What it measures, for people.
        library: Whose it is.
        once: Does it once; its seconds are returned where it times itself, else None.
        rounds: In how many rounds it takes part: dear ones in few.
    """

    what: str
    library: str
    once: Callable[[], float | None]
    rounds: int = 10**9


def plain_step(trainer: Trainer, loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
    model = network(trainer)
    optimizer = torch.optim.SGD(model.parameters(), lr=trainer.config.lr)
    x, y = training_set(trainer)

    def once() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return once


def ours(config: dict[str, Any], rows: int = 1, **changes: Any) -> Callable[[], float]:
    """Measuring of one row after the other of a run that goes on from round to round; row 0 is not timed.

    Args:
        config: Options of the run.
        rows: Rows that a round takes the mean of.
        **changes: Further options.

    Returns:
        Measures them; gives the seconds of one.
    """
    trainer = Trainer(RunConfig(**(config | changes)))
    trainer.observe()
    trainer.advance()

    def once() -> float:
        spent = 0.0
        for _ in range(rows):
            began = time.perf_counter()
            record = trainer.observe()
            trainer.advance()
            # Training's own part is in the row: what is left is the cost of observing.
            spent += time.perf_counter() - began - record["step_seconds"]
        return spent / rows

    return once


def others(trainer: Trainer, loss: Callable[[Tensor, Tensor], Tensor], few: int) -> Iterator[Candidate]:
    """What the libraries of the extra offer; those that are not installed are passed over."""
    x, y = training_set(trainer)
    model = network(trainer)
    with contextlib.suppress(ImportError):
        from pyhessian import hessian as pyhessian

        def power_iteration() -> None:
            pyhessian(model, loss, data=(x, y), cuda=False).eigenvalues(maxIter=100, tol=1e-3, top_n=1)

        yield Candidate("λ_max(∇²f)", "PyHessian", power_iteration, rounds=2)
    with contextlib.suppress(ImportError):
        from curvlinops import HessianLinearOperator
        from scipy.sparse.linalg import eigsh

        # It takes torch's own losses; the network and its size are the same.
        mean = nn.CrossEntropyLoss()

        def arpack() -> None:
            parameters = list(model.parameters())
            operator = HessianLinearOperator(model, mean, parameters, [(x, y)], check_deterministic=False)
            eigsh(operator.to_scipy(), k=1, which="LA", tol=1e-2, return_eigenvectors=False)

        yield Candidate("λ_max(∇²f)", "curvlinops + eigsh", arpack, rounds=2)

    def func_ntk() -> None:
        parameters = dict(model.named_parameters())

        def outputs(p: dict[str, Tensor], one: Tensor) -> Tensor:
            return torch.func.functional_call(model, p, (one[None],))[0]

        jacobians = torch.func.vmap(torch.func.jacrev(outputs), (None, 0))(parameters, x[:few])
        sum(torch.einsum("icpq,jdpq->icjd", j, j) for j in jacobians.values())

    yield Candidate(f"NTK of {few} examples, dense", "torch.func", func_ntk, rounds=2)
    with contextlib.suppress(ImportError):
        from nngeometry.gram import GramMatrix

        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x[:few], y[:few]), batch_size=few)

        def hooks_ntk() -> None:
            GramMatrix(model, loader, function=lambda *batch: model(batch[0]))

        yield Candidate(f"NTK of {few} examples, dense", "nngeometry", hooks_ntk, rounds=2)
    with contextlib.suppress(ImportError):
        yield Candidate("its cheapest tier, of single steps", "Cockpit", cockpit(trainer), rounds=1)


def cockpit(trainer: Trainer) -> Callable[[], None]:
    """Cockpit's economy configuration, tracking every step.

    Without what compares two steps (α, update size), which its release does not compute with today's BackPACK; with
    torch's own modules and losses, which are those that BackPACK knows.
    """
    from backpack import extend
    from cockpit import Cockpit
    from cockpit.quantities.quantity import TwoStepQuantity
    from cockpit.utils.configuration import configuration

    x, y = training_set(trainer)
    modules = [nn.ReLU() if isinstance(module, Activation) else module for module in network(trainer)]
    model = extend(nn.Sequential(*modules))
    mean, single = extend(nn.CrossEntropyLoss()), extend(nn.CrossEntropyLoss(reduction="none"))
    optimizer = torch.optim.SGD(model.parameters(), lr=trainer.config.lr)
    chosen = configuration("economy", track_schedule=lambda _: True)
    quantities = [quantity for quantity in chosen if not isinstance(quantity, TwoStepQuantity)]
    tool = Cockpit(model.parameters(), quantities=quantities)
    state = {"step": 0}

    def once() -> None:
        optimizer.zero_grad()
        output = model(x)
        loss, losses = mean(output, y), single(output, y)
        with tool(
            state["step"],
            info={
                "batch_size": len(x),
                "individual_losses": losses,
                "loss": loss,
                "optimizer": optimizer,
            },
        ):
            loss.backward(create_graph=tool.create_graph(state["step"]))
        optimizer.step()
        state["step"] += 1

    return once


def squared_error(output: Tensor, labels: Tensor) -> Tensor:
    target = nn.functional.one_hot(labels, output.shape[1]).to(output.dtype)
    return 0.5 * (torch.softmax(output, dim=1) - target).square().sum(dim=1).mean()


def measure(config: dict[str, Any], rounds: int, *, with_others: bool) -> dict[str, Any]:
    """Time all candidates on one configuration.

    Args:
        config: Options of the run.
        rounds: Rounds after the first, which warms up.
        with_others: Whether the other libraries take part.

    Returns:
        Ratios with quartiles, and raw seconds.
    """
    trainer = Trainer(RunConfig(**(config | {"measure": "none"})))
    candidates = [
        Candidate("training, wnt-tui's own step", "wnt-tui", ours_step(config)),
        Candidate("core, every step", "wnt-tui", ours(config, measure="core")),
        Candidate("all, every step", "wnt-tui", ours(config, measure="all")),
        Candidate("all, --budget 0.5", "wnt-tui", ours(config, rows=50, measure="all", budget=0.5)),
    ]
    if with_others:
        candidates += list(others(trainer, squared_error, few=50))
    plain = plain_step(trainer, squared_error)
    seconds: dict[str, list[float]] = {}
    plains: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    torch.set_grad_enabled(True)
    for round_ in range(rounds + 1):
        for candidate in candidates:
            name = f"{candidate.library}: {candidate.what}"
            if round_ > candidate.rounds or name in failed:
                continue
            base = timed(plain)
            try:
                own = timed(candidate.once)
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                continue
            if round_ > 0:
                seconds.setdefault(name, []).append(own)
                plains.setdefault(name, []).append(base)
    # A budget is kept in the mean over rows, not in a typical one.
    return {
        "config": config,
        "results": [
            {
                "library": name.partition(": ")[0],
                "what": name.partition(": ")[2],
                "ratio": statistics.mean(own) / statistics.mean(plains[name])
                if "budget" in name
                else statistics.median(a / b for a, b in zip(own, plains[name], strict=True)),
                "quartiles": list(np.quantile([a / b for a, b in zip(own, plains[name], strict=True)], [0.25, 0.75])),
                "seconds": own,
                "plain_seconds": plains[name],
            }
            for name, own in seconds.items()
        ],
        "failed": failed,
    }


def ours_step(config: dict[str, Any]) -> Callable[[], None]:
    trainer = Trainer(RunConfig(**(config | {"measure": "none"})))

    def once() -> None:
        trainer.observe()
        trainer.advance()

    return once


def timed(once: Callable[[], float | None]) -> float:
    began = time.perf_counter()
    own = once()
    return time.perf_counter() - began if own is None else own


def environment() -> dict[str, Any]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "libraries": found,
    }


TARGETS: dict[str, dict[int, float]] = {
    "core, every step": {100: 1.5, 250: 1.1, 500: 1.3},
    "all, every step": {100: 14.0, 250: 22.0, 500: 40.0},
    "all, --budget 0.5": {100: 0.5, 250: 0.5, 500: 0.5},
}
"""Multiples of a plain step that the design asks for, by what is measured and n."""


def table(found: dict[str, Any]) -> str:
    """The README's table: a row a candidate, and for each number of examples what was measured and the target."""
    runs = found["runs"]
    names = list(dict.fromkeys((r["library"], r["what"]) for run in runs for r in run["results"]))
    head = [title for run in runs for title in (f"n = {run['config']['examples']}", "target")]
    lines = ["| | what | " + " | ".join(head) + " |", "|---|---|" + "---:|" * len(head)]
    for library, what in names:
        cells = []
        for run in runs:
            ratio = next((r["ratio"] for r in run["results"] if (r["library"], r["what"]) == (library, what)), None)
            target = TARGETS.get(what, {}).get(run["config"]["examples"]) if library == "wnt-tui" else None
            cells += ["" if value is None else _times(value) for value in (ratio, target)]
        lines.append(f"| {library} | {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def put_into_readme(lines: str) -> None:
    """Write the table between its marks in the README."""
    readme = HERE.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- cost: begin -->")
    _, _, after = rest.partition("<!-- cost: end -->")
    if after:
        readme.write_text(f"{before}<!-- cost: begin -->\n{lines}\n<!-- cost: end -->{after}", encoding="utf-8")


def draw(found: dict[str, Any]) -> None:
    """``docs/cost.png``: ratios at the largest n on a logarithmic axis."""
    import matplotlib.pyplot as plt

    run = found["runs"][-1]
    results = sorted(run["results"], key=lambda r: -r["ratio"])
    labels = [f"{r['library']} · {r['what']}" for r in results]
    colours = ["#2a9d8f" if r["library"] == "wnt-tui" else "#8d99ae" for r in results]
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(results) + 1.2))
    axes.barh(labels, [r["ratio"] for r in results], color=colours)
    axes.set_xscale("log")
    axes.axvline(1.0, color="#333333", linewidth=0.8)
    axes.set_xlabel(f"seconds per plain gradient step (n = {run['config']['examples']}), logarithmic")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=120)


def main() -> None:
    """Measure, write the JSON, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="auto", help="as for wnt-tui")
    parser.add_argument("--examples", type=int, nargs="+", default=[100, 250, 500])
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--render", action="store_true", help="measure nothing: table and picture from the JSON")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if not arguments.render:
        runs = []
        for n in arguments.examples:
            config = {"data": arguments.data, "examples": n, "test_examples": 0, "steps": 10_000, "device": "cpu"}
            last = n == arguments.examples[-1]
            runs.append(measure(config, arguments.rounds, with_others=last))
            runs[-1]["config"] |= {"data": Path(arguments.data).name}
        found = {"environment": environment(), "runs": runs}
        arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    found = json.loads(arguments.output.read_text(encoding="utf-8"))
    print(table(found))
    put_into_readme(table(found))
    for run in found["runs"]:
        for name, why in run["failed"].items():
            print(f"{name} failed: {why}")
    try:
        draw(found)
    except ImportError:
        print("No picture: matplotlib is not installed.")


if __name__ == "__main__":
    main()
