"""From features of images to numbers: pure functions, a file for each metric family. Imports no model."""
