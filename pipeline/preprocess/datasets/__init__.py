"""The datasets that are known, a file each: the choices of `--dataset`.

Importing them takes 10 ms, so that --help can show their names.
"""

from pipeline.preprocess.datasets.avenue import AVENUE
from pipeline.preprocess.datasets.dataset import Dataset
from pipeline.preprocess.datasets.folder import FOLDER
from pipeline.preprocess.datasets.shanghaitech import SHANGHAITECH
from pipeline.preprocess.datasets.ucsd import PED1, PED2

DATASETS: tuple[Dataset, ...] = (PED1, PED2, AVENUE, SHANGHAITECH, FOLDER)
"""The known datasets, in the order in which they are tried."""
