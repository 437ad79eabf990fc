"""What is on disk: runs, events, results, checkpoints. Imports `config` only; `checkpoints` loads torch."""
