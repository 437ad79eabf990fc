"""A page a file, with the helpers of that page beside it."""
