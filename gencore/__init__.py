"""gencore: trains and measures generative models, and writes what happened to disk."""

import os

__version__ = "0.1.0"

# Set before numpy is loaded. Its threads wait for each other by spinning: beside another program, two of them
# are many times slower than one, and the matrices here are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
