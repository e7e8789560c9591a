"""One thread a test process: the tensors are tiny, and several programs run at once."""

import os

# Before torch is imported, and inherited by the programs that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
