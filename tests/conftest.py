import os

import torch

# Frames in tests are too small for more threads to pay; with several, they mostly wait for one another.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # the same in processes that tests start
