import contextlib
import os
import signal

import torch

# Frames in tests are too small for more threads to pay; with several, they mostly wait for one another.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # the same in processes that tests start

# A machine that is busy with other things makes no example wrong. The same examples each time, so that a
# change is not held up by what was there before it; `pytest --hypothesis-profile search` looks for new ones.
# A GPU machine may lack hypothesis.
with contextlib.suppress(ImportError):
    from hypothesis import settings

    settings.register_profile("tests", deadline=None, derandomize=True)
    settings.register_profile("search", deadline=None, max_examples=500)
    settings.load_profile("tests")

# A shell lets what a script starts with `&` ignore Ctrl-C, and it stays so in all processes that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
