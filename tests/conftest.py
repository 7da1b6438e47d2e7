"""One thread for every test, so that sums are made in one order; and no progress bars in what tests print."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, which comes later
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
