"""RunConfig: everything that determines a run, frozen and validated, in one place.

The command line, TOML files, environment variables and the session file are all views of this dataclass: each
field carries its own help, domain and choices, so that a new option is one new field.
"""

from __future__ import annotations

import json
import math
import operator
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from engine.breakpoints import parse_all
from engine.catalogue import MeasureSet
from engine.errors import ConfigError
from engine.paths import existing_path, printable, shown_path
from engine.theory.activation import ACTIVATIONS
from engine.theory.loss_constants import LOSSES

DType = Literal["float32", "float64"]
OnBreak = Literal["pause", "stop", "continue"]
KernelForm = Literal["auto", "dense", "products"]

_LOSS_FORMULAS = "; ".join(f"{loss.name}: {loss.formula}" for loss in LOSSES.values()) + "."

_LIMITS: dict[str, Callable[[float, float], bool]] = {
    "at_least": operator.ge,
    "at_most": operator.le,
    "above": operator.gt,
    "below": operator.lt,
}

MAX_WIDTH = 1_000_000
MAX_DEPTH = 1_000


def _option(default: Any, help_text: str, *, choices: Iterable[str] = (), flag: str = "", **limits: float) -> Any:
    """A dataclass field with its help text and its domain; limits have the names of :data:`_LIMITS`."""
    return field(default=default, metadata={"help": help_text, "choices": tuple(choices), "flag": flag} | limits)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A run. Two equal configurations on the same machine, software and threads give bit-identical runs.

    With a ``budget`` the clock decides which rows hold the costly measurements; what they hold, and training itself,
    are the same whatever it decides, up to where iterations start.

    Raises:
        ConfigError: A value has the wrong type or is outside its domain; the sentence names the option.
    """

    width: int = _option(500, "Neurons in every hidden layer.", at_least=1, at_most=MAX_WIDTH)
    depth: int = _option(9, "Weight matrices, output layer included.", at_least=2, at_most=MAX_DEPTH)
    examples: int = _option(250, "Training examples n (full batch).", at_least=1)
    test_examples: int | None = _option(None, "Test examples; default: as many as --examples.", at_least=0)
    activation: str = _option("relu", "Activation, normalised to zero mean and unit variance.", choices=ACTIVATIONS)
    loss: str = _option("mse", _LOSS_FORMULAS, choices=LOSSES)
    lr: float = _option(0.01, "Learning rate η.", above=0.0)
    steps: int = _option(80, "Gradient steps T; a run of T steps leaves T+1 rows.", at_least=0)
    seed: int = _option(0, "Seed of the weights and of the choice of examples.", at_least=0, at_most=2**63 - 1)
    renormalize: bool = _option(False, "Rescale each example to norm √width after every hidden layer.")
    center: bool = _option(True, "Centre and scale the input per channel before putting it on the sphere.")
    bias: bool = _option(False, "Add biases (initialised to 0).")
    data: str = _option("auto", "auto, cifar10, digits, gaussian or FILE.npz.")
    data_dir: str | None = _option(None, "Where CIFAR-10 lies on disk.")
    device: str = _option("auto", "auto, cpu, cuda or cuda:N.")
    dtype: DType = _option(
        "float32", "Precision of training; Gram matrices and spectra are always float64.", choices=get_args(DType)
    )
    measure: MeasureSet = _option(
        "all", "What is measured: none, core (no Hessian, no NTK) or all.", choices=get_args(MeasureSet)
    )
    every: int = _option(
        1, "Measure at every K-th step, the last one, and in the step after each what is predicted for it.", at_least=1
    )
    budget: float | None = _option(
        None,
        "Most time for measuring, as a multiple of training's, in the mean over rows: the dearer a measurement is, the "
        "fewer rows have it. The first row and the last are measured in full and come on top.",
        above=0.0,
    )
    kernel: KernelForm = _option(
        "auto",
        "The tangent kernel K: dense forms it and has its extremes exactly, products follows them by products with "
        "it, auto forms it where that fits.",
        choices=get_args(KernelForm),
    )
    spectra_every: int | None = _option(
        None,
        "Record the whole spectra of G and K at every K-th step, measured in full there; step 0 and the last one "
        "always have them.",
        at_least=1,
    )
    f_star: float = _option(0.0, "Infimum f* of the loss, for μ and the predictions.")
    delta: float = _option(0.05, "Failure probability δ of the generalization bound.", above=0.0, below=1.0)
    checkpoint_every: int | None = _option(
        None, "Keep a checkpoint at every K-th step, beside the newest two of one every five minutes.", at_least=1
    )
    checkpoint_limit: float = _option(4.0, "Most GB of kept checkpoints in a session.", at_least=0.0)

    breakpoints: tuple[str, ...] = _option(
        (),
        "Theory breakpoint, as in 'log10_cond[3] > 4 for 5', 'pl < 1e-4', 'ratio_descent outside 0.8..1.2', "
        "diverging; may be given several times.",
        flag="break",
    )
    on_break: OnBreak = _option(
        "pause", "What a breakpoint does: pause, stop, or continue with an event recorded.", choices=get_args(OnBreak)
    )

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for spec in fields(self):
            value = _checked(spec.name, getattr(self, spec.name), hints[spec.name], spec.metadata)
            object.__setattr__(self, spec.name, value)
        points = parse_all(self.breakpoints)
        for point in points:
            point.check(depth=self.depth, measure=self.measure)
        object.__setattr__(self, "breakpoints", tuple(point.text for point in points))

    @property
    def resolved_test_examples(self) -> int:
        """Number of test images: ``test_examples``, or as many as there are training examples."""
        return self.examples if self.test_examples is None else self.test_examples

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary of all fields, in declaration order."""
        return asdict(self)

    def to_json(self) -> str:
        """One line of JSON, the form stored in a session."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, origin: str = "") -> RunConfig:
        """The configuration of values by name, spelled with ``-`` or ``_``; ConfigError says what is wrong where."""
        known = {spec.name for spec in fields(cls)}
        # A file may call an option by its flag: `break`, which is no name to Python.
        fields_by_flag = {option_flag(name)[2:]: name for name in known}
        named = {str(name).replace("_", "-"): value for name, value in values.items()}
        cleaned = {fields_by_flag.get(name, name.replace("-", "_")): value for name, value in named.items()}
        unknown = sorted(set(cleaned) - known)
        if unknown:
            where = f" in {origin}" if origin else ""
            raise ConfigError(f"Unknown option {unknown[0]!r}{where}.", f"Known options: {', '.join(sorted(known))}.")
        return cls(**cleaned)


def absolute_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options with paths absolute, as they are typed here: a run may be resumed or verified from another folder."""
    files = {
        name: str(existing_path(value))
        for name, value in values.items()
        if isinstance(value, str) and value and (name == "data_dir" or (name == "data" and is_data_file(value)))
    }
    return {**values, **files}


def is_data_file(data: str) -> bool:
    """Whether ``--data`` names a file and not a data set that is known by name."""
    return data.lower().endswith(".npz")


def read_toml(path: str | Path) -> dict[str, Any]:
    """The top-level table of a TOML file of options; ConfigError where it cannot be read or is no TOML."""
    try:
        return tomllib.loads(existing_path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"Cannot read {path}: {error.strerror or error}.", "Give --config a TOML file that you may read."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}.") from None


def option_flag(name: str) -> str:
    """The command-line flag of a field: its own, or its name, ``test_examples`` → ``--test-examples``."""
    own = next((spec.metadata["flag"] for spec in fields(RunConfig) if spec.name == name), "")
    return "--" + (own or name.replace("_", "-"))


def _checked(name: str, value: Any, hint: Any, domain: Mapping[str, Any]) -> Any:
    """The value in its declared type; ConfigError where it has another or lies outside its domain."""
    flag = option_flag(name)
    if choices := domain["choices"]:
        if value not in choices:
            raise ConfigError(f"{flag} {value} is not known.", f"Choose one of: {', '.join(choices)}.")
        return value
    if get_origin(hint) is tuple:
        return _texts(flag, value)
    if value is None and type(None) in get_args(hint):
        return None
    kind = next(kind for kind in (get_args(hint) or (hint,)) if kind is not type(None))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # bool is an int to Python; an option that takes one must say which.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        noun = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
        raise ConfigError(f"{flag} takes {noun}, not {value!r}.")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_range(flag, value, domain)
    # A session stores UTF-8; what is a path may be anything else, and is understood escaped as well.
    return shown_path(value) if isinstance(value, str) and printable(value) != value else value


def _texts(flag: str, value: Any) -> tuple[str, ...]:
    """A list of texts, or one text in which semicolons part them, as a tuple without empty ones."""
    parts = value.split(";") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ConfigError(f"{flag} takes text or a list of texts, not {value!r}.")
    return tuple(part.strip() for part in parts if part.strip())


def _check_range(flag: str, value: float, domain: Mapping[str, Any]) -> None:
    if not math.isfinite(value):
        raise ConfigError(f"{flag} is {value}.", "Give a finite number.")
    for key, holds in _LIMITS.items():
        if key in domain and not holds(value, domain[key]):
            raise ConfigError(f"{flag} is {value}, but must be {key.replace('_', ' ')} {domain[key]:g}.")
