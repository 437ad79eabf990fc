"""From weights to images: generation, sample sheets, the cache of samples. Imports `models` and below."""
