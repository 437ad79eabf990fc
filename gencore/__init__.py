"""gencore: trains and measures generative models, and writes what happened to disk."""

__version__ = "0.1.0"
