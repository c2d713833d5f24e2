"""CUDA graphs' semantics on the CPU: operations are recorded once with their tensors and called again on the same ones.

No Python of what was recorded runs again. What a graph cannot capture is refused, and nothing that was computed while
recording is left where a replay would not compute it anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.device.scheduling import torch_alone

REFUSED = {
    "_local_scalar_dense", "equal", "nonzero", "is_nonzero", "unique_dim", "_unique2", "masked_select", "bincount",
    "_linalg_eigh", "linalg_eigh", "linalg_eigvalsh", "_linalg_svd", "linalg_svd", "linalg_lstsq", "linalg_eig",
    "_linalg_check_errors", "cholesky_solve", "linalg_qr", "lift_fresh",
    "randn", "rand", "randint", "randperm", "normal_", "random_", "uniform_", "bernoulli_",
}  # fmt: skip
"""They wait for the device, allocate outside of its pool, or bring numbers from the host."""

_UNWRITTEN = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}


@dataclass(frozen=True)
class _Call:
    function: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    results: Sequence[tuple[int, Tensor]]  # new tensors among its outputs, by their place


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self._new: dict[int, Tensor] = {}  # by address of storage, and kept alive, so that no address comes twice
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        booleans = name.startswith("index") and any(
            isinstance(leaf, Tensor) and leaf.dtype == torch.bool for leaf in tree_leaves(args[1:2])
        )
        if name in REFUSED or booleans:
            raise RuntimeError(f"{name} is not permitted when a stream is capturing")
        for position, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[position] if position < len(args) else kwargs.get(argument.name)
                for tensor in tree_leaves(value):
                    self._save(tensor)
        read = {_address(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        out = func(*args, **kwargs)
        results = []
        for place, leaf in enumerate(tree_leaves(out)):
            if isinstance(leaf, Tensor) and _address(leaf) not in read:
                self._new[_address(leaf)] = leaf
                results.append((place, leaf))
        writes = any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)
        if (results or writes) and name not in _UNWRITTEN:
            self.calls.append(_Call(func, args, kwargs, results))
        return out

    def _save(self, tensor: Any) -> None:
        if isinstance(tensor, Tensor) and _address(tensor) not in self._new and _address(tensor) not in self._before:
            whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())  # type: ignore[call-overload]  # torch's own types lack it
            self._before[_address(tensor)] = whole, whole.clone()

    def undo(self) -> None:
        """Leave no trace: what was there holds what it held, and what is new holds nothing."""
        for tensor, then in self._before.values():
            tensor.copy_(then)
        for tensor in self._new.values():
            if tensor.is_floating_point():
                torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).fill_(float("nan"))  # type: ignore[call-overload]  # likewise

    def replay(self) -> None:
        for call in self.calls:
            leaves = tree_leaves(call.function(*call.args, **call.kwargs))
            for place, recorded in call.results:
                recorded.copy_(leaves[place])


class ReplayRecorder:
    """Records on the CPU as :class:`engine.device.program.GraphRecorder` does on a GPU.

    Attributes:
        recorded: How many programs were recorded.
        replays: How many programs were replayed.
        refusals: What could not be recorded.
    """

    def __init__(self) -> None:
        self.recorded = self.replays = 0
        self.refusals: list[str] = []

    def record(self, sequence: Callable[[], None], pool: str) -> Callable[[], None]:
        recording = _Recording()
        try:
            with torch_alone(), _without_host(), recording:
                sequence()
        except RuntimeError as error:
            self.refusals.append(str(error))
            raise
        finally:
            recording.undo()
        self.recorded += 1

        def replay() -> None:
            self.replays += 1
            recording.replay()

        return replay


@contextlib.contextmanager
def _without_host() -> Generator[None]:
    """Refuse what goes past torch's operations: memory that is shared with the host, and reading."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the host's memory is not permitted when a stream is capturing")

    with contextlib.ExitStack() as stack:
        for owner, name in ((torch, "from_numpy"), *((Tensor, of) for of in ("numpy", "tolist", "cpu", "__array__"))):
            stack.enter_context(mock.patch.object(owner, name, refuse))
        yield


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
