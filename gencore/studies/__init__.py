"""Searches, ablations and seeds: many runs of one question, planned, trained by Ray Tune, and analysed."""
