"""Layers only: no losses, no sampling, no options read from elsewhere."""
