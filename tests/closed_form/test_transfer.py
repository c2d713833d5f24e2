"""What a row reads comes by one transfer."""

from __future__ import annotations

import torch

from engine.device.transfer import Transfer, fetch, to_device


def test_numbers_arrive_as_they_were_added_before_and_after_others_were_read() -> None:
    transfer = Transfer()
    first, second = transfer.add(torch.tensor([1.0, 2.0])), transfer.add(torch.tensor(3.0, dtype=torch.float64))
    assert second.number() == 3.0
    assert first.array().tolist() == [1.0, 2.0]
    third = transfer.add(torch.tensor(4.0))
    assert (third.number(), second.number()) == (4.0, 3.0)


def test_where_tensors_live_on_the_host_nothing_is_copied() -> None:
    tensor = torch.tensor([1.0, 2.0])
    array = Transfer().add(tensor).array()
    tensor[0] = 5.0
    assert array.tolist() == [5.0, 2.0]


def test_numbers_of_the_host_take_the_type_of_what_they_go_to() -> None:
    like = torch.zeros(2, dtype=torch.float32)
    found = to_device(torch.tensor([[1, -1]]).numpy(), like)
    assert found.dtype == torch.float32
    assert found.tolist() == [[1.0, -1.0]]


def test_numbers_that_come_together_lie_where_the_processor_wants_them() -> None:
    tensors = [torch.ones(3), torch.ones(4, dtype=torch.float64), torch.ones(2)]
    assert all(array.flags.aligned for array in fetch(tensors))
