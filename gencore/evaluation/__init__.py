"""One model against the test split: metric groups, floors, ladder, controllability, cost.

Imports `training` and below.
"""
