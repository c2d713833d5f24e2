"""Work on the host is shared among threads, each of which computes alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engine.device.scheduling import torch_alone
from engine.measure.layer_threads import LayerThreads


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[LayerThreads]:
    own = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield LayerThreads()
    torch.set_num_threads(own)


def test_results_come_in_the_order_of_the_items(threads: LayerThreads) -> None:
    assert threads.map(lambda item: item * item, range(7)) == [0, 1, 4, 9, 16, 25, 36]
    assert threads.map(str, []) == []


def test_torch_computes_on_one_thread_within_and_on_as_many_as_before_outside(threads: LayerThreads) -> None:
    before = torch.get_num_threads()
    assert threads.map(lambda _: torch.get_num_threads(), range(5)) == [1] * 5
    assert torch.get_num_threads() == before
    seen: list[int] = []
    late = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    late.start()
    late.join()
    assert seen == [before]


def test_a_row_that_is_recorded_stays_in_its_thread(threads: LayerThreads) -> None:
    with torch_alone():
        assert set(threads.map(lambda _: threading.get_ident(), range(5))) == {threading.get_ident()}
        assert threads.map(lambda _: torch.get_num_threads(), range(2)) == [1, 1]


def test_a_failure_is_that_of_the_item_and_leaves_the_threads_usable(threads: LayerThreads) -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        threads.map(lambda item: 1 / item, [1, 0])
    assert torch.get_num_threads() == before
    assert threads.map(lambda item: 1 / item, [1, 2]) == [1.0, 0.5]


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    draw = np.random.default_rng(0).standard_normal((3, 200, 150))
    results = []
    own = torch.get_num_threads()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        pieces = [torch.from_numpy(one) for one in draw]
        results.append(LayerThreads().map(lambda a: torch.linalg.cholesky(a @ a.T + torch.eye(200)).numpy(), pieces))
    torch.set_num_threads(own)
    for other in results[1:]:
        np.testing.assert_array_equal(np.stack(other), np.stack(results[0]))
