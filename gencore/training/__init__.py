"""Training: the loop, one optimisation step, the process that runs it, the summary of its log. Imports
`sampling` and below.
"""
