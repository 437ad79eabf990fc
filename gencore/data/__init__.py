"""Data sets: what there is (`registry`), as tensors (`sources`), as an endless row of batches (`batches`)."""
