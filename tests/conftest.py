"""One thread a test process: tensors are tiny, and several programs run at once. No deadlines."""

import os

# Before torch is imported, and inherited by the programs that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

from hypothesis import settings

# On a busy machine any example may take long: time is no finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
