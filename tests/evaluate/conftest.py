import torch

torch.set_num_threads(1)  # the frames here are too small for more to pay
