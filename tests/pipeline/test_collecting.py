import gc

import pytest

from pipeline.processes.collecting import OBJECTS, rare_collections


def test_the_collector_is_as_before_however_the_block_ends() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), rare_collections():
        assert gc.get_threshold() == (OBJECTS, *before[1:])
        assert gc.isenabled()
        raise KeyError
    assert gc.get_threshold() == before
