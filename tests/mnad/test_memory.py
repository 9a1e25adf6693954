"""The memory: read and update as the paper writes them, in one and in several processes."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mnad.memory import Memory, nearest_two, read, similarity, update


def unit(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def update_by_the_paper(items: Tensor, queries: Tensor) -> Tensor:
    """Equations 3 to 5, an item at a time: softmax over queries, divided by its maximum."""
    scores = queries @ items.T
    over_queries = scores.softmax(dim=0)
    nearest = scores.argmax(dim=1)
    new = items.clone()
    for m in range(len(items)):
        for n in range(len(queries)):
            if nearest[n] == m:
                new[m] += over_queries[n, m] / over_queries[:, m].max() * queries[n]
        new[m] /= new[m].norm()
    return new


def test_update_equals_the_paper_item_by_item() -> None:
    items, queries = unit(10, 32, seed=1), unit(60, 32, seed=2)
    torch.testing.assert_close(
        update(items, queries), update_by_the_paper(items, queries), rtol=0, atol=1e-12
    )


def test_update_keeps_an_item_that_no_query_is_nearest_to() -> None:
    items = torch.eye(3, 8, dtype=torch.float64)
    queries = items[:1].expand(5, -1)
    torch.testing.assert_close(update(items, queries)[1:], items[1:], rtol=0, atol=0)


@pytest.mark.parametrize("processes", [2, 3])
def test_update_over_processes_equals_the_joint_batch(processes: int) -> None:
    items, queries = unit(10, 32, seed=1), unit(60, 32, seed=2)
    shares = queries.chunk(processes)

    class Joint:
        """What all_reduce gives: the maxima and sums of every process's share."""

        def max(self, tensor: Tensor) -> None:
            tensor.copy_(torch.stack([(share @ items.mT).amax(0) for share in shares]).amax(0))

        def sum(self, tensor: Tensor) -> None:
            tensor.add_(sum(self.pull(share) for share in shares[1:]))

        def pull(self, share: Tensor) -> Tensor:
            scores = share @ items.mT
            peak = torch.stack([(other @ items.mT).amax(0) for other in shares]).amax(0)
            nearest = F.one_hot(scores.argmax(1), len(items))
            return (nearest * torch.exp(scores - peak)).mT @ share

    torch.testing.assert_close(update(items, shares[0], Joint()), update(items, queries), rtol=0, atol=1e-12)


def test_read_averages_items_by_softmax_over_similarity() -> None:
    items, queries = unit(4, 8, seed=1), unit(2, 5, 8, seed=2)
    weights = torch.einsum("bnd,md->bnm", queries, items).exp()
    expected = torch.einsum("bnm,md->bnd", weights / weights.sum(-1, keepdim=True), items)
    torch.testing.assert_close(read(queries, items), expected)


def test_read_lets_each_frame_have_a_memory_of_its_own() -> None:
    items, queries = unit(2, 4, 8, seed=1), unit(2, 5, 8, seed=2)
    together = read(queries, items)
    for frame in range(2):
        torch.testing.assert_close(together[frame], read(queries[frame], items[frame]))


def test_no_gradient_flows_through_the_addressing() -> None:
    queries = unit(5, 8).requires_grad_()
    assert not read(queries, unit(4, 8, seed=1)).requires_grad


def test_nearest_two_are_the_most_similar_items_in_order() -> None:
    items = torch.eye(3, dtype=torch.float64)
    query = F.normalize(torch.tensor([[0.1, 0.9, 0.5]], dtype=torch.float64), dim=-1)
    first, second = nearest_two(query, items)
    assert first.tolist() == [[0, 1, 0]]
    assert second.tolist() == [[0, 0, 1]]


def test_memory_is_a_buffer_that_is_saved_and_starts_at_unit_length() -> None:
    memory = Memory(5, 16)
    assert list(memory.state_dict()) == ["items"]
    assert not list(memory.parameters())
    torch.testing.assert_close(memory.items.norm(dim=1), torch.ones(5))
    assert (memory.items >= 0).all()


def test_similarities_are_of_float32_whatever_the_autocast_state() -> None:
    items, queries = unit(10, 512, seed=1).float(), unit(64, 512, seed=2).float()
    exact = similarity(queries, items), read(queries, items), update(items, queries)
    with torch.autocast("cpu", torch.bfloat16):
        found = similarity(queries, items), read(queries, items), update(items, queries)
        assert (queries @ items.mT).dtype == torch.bfloat16
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
