"""A memory that starts as queries of real windows."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mnad import MNAD
from mnad.seeding import seed_memory, spread


def test_items_become_distinct_queries_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    model = MNAD("pred", items=6).train()
    windows = torch.rand(2, 5, 3, 32, 32) * 2 - 1
    before = {name: value.clone() for name, value in model.state_dict().items() if name != "memory.items"}
    seed_memory(model, windows)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    queries = model.encode(model.split(windows)[0]).queries.detach().flatten(0, 1)
    where = (queries @ model.memory.items.T).max(dim=0)
    torch.testing.assert_close(where.values, torch.ones(6), atol=1e-5, rtol=0)
    assert len(set(where.indices.tolist())) == 6


@given(groups=st.integers(2, 6), each=st.integers(1, 5), seed=st.integers(0, 99))
def test_of_queries_in_groups_each_group_gives_one(groups: int, each: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.eye(groups, 16).repeat_interleave(each, dim=0)
    noise = 0.02 * torch.randn(len(centres), 16, generator=generator)
    order = torch.randperm(len(centres), generator=generator)
    chosen = spread(F.normalize(centres + noise, dim=1)[order], groups)
    assert sorted(chosen.argmax(dim=1).tolist()) == list(range(groups))


def test_fewer_queries_than_items_are_counted() -> None:
    with pytest.raises(ValueError, match="found 4 queries, expected at least 10"):
        seed_memory(MNAD("pred").train(), torch.zeros(1, 5, 3, 16, 16))
