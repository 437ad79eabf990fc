"""Data sets by name, and batches on the device. Imports `store` and `config`."""
