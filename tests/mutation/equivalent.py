"""Mutants that no test can kill, because what they change is not seen from outside, each with the reason."""

from __future__ import annotations

_ROOM = "more memory than needed is set aside for a basis; what of it is used is the same"
_NOTHING_KEPT = "what was earned and not used is not kept, so that a balance above 0 counts as 0"
_BLOCKS = "a product is the same whether the matrix is read at once or in blocks of any size; only memory is read less"
_PLACE = "all parameters live in one place, and that is all that is taken from one of them"

EQUIVALENT: dict[str, str] = {
    "engine/measure/lanczos.py:_sweep: "
    "basis = start.new_empty(min(_ROOM, products), start.numel()) if room is None else room[:products] → "
    "basis = start.new_empty(max(_ROOM, products), start.numel()) if room is None else room[:products]": _ROOM,
    "engine/measure/lanczos.py:_sweep: "
    "basis = torch.cat([basis, basis.new_empty(min(size, products - size), start.numel())]) → "
    "basis = torch.cat([basis, basis.new_empty(max(size, products - size), start.numel())])": _ROOM,
    "engine/measure/lanczos.py:_sweep: "
    "basis = torch.cat([basis, basis.new_empty(min(size, products - size), start.numel())]) → "
    "basis = torch.cat([basis, basis.new_empty(min(size, products + size), start.numel())])": _ROOM,
    "engine/measure/schedule.py:Schedule.__init__: "
    "self._balances = dict.fromkeys(self._tasks, 0.0) → self._balances = dict.fromkeys(self._tasks, 1)": _NOTHING_KEPT,
    "engine/measure/lapack.py:normal_product: "
    "height = min(p, max(1, block_bytes // (q * matrix.itemsize))) → "
    "height = min(p, min(1, block_bytes // (q * matrix.itemsize)))": _BLOCKS,
    "engine/measure/lapack.py:normal_product: "
    "height = min(p, max(1, block_bytes // (q * matrix.itemsize))) → "
    "height = min(p, max((2 * 1), block_bytes // (q * matrix.itemsize)))": _BLOCKS,
    "engine/measure/lapack.py:normal_product: "
    "height = min(p, max(1, block_bytes // (q * matrix.itemsize))) → "
    "height = min(p, max(1, block_bytes // ((2 * (q * matrix.itemsize)))))": _BLOCKS,
    "engine/measure/layers.py:LayerMeasures._bias_squares: "
    "return torch.stack(changes) if changes else initial[0].new_empty(0, dtype=torch.float64) → "
    "return torch.stack(changes) if changes else initial[1].new_empty(0, dtype=torch.float64)": _PLACE,
    "engine/measure/observer.py:Observer.__init__: self._common = Stopwatch(network.weights[0].device) → "
    "self._common = Stopwatch(network.weights[1].device)": _PLACE,
}
