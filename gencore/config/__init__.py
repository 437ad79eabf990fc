"""What a run is asked to do: options, families, presets, and the command line that says the same.

Imports no other package of gencore.
"""
