"""What is read at most of somebody's files. All are checked before the memory is taken.

The number of images and the size of arrays and of the finished data set: `gencore.data.arrays`.
"""

MOST_FILES = 1_000_000
"""Files and folders together."""
LONGEST_SIDE = 10_000
MOST_PIXELS = 25_000_000
MOST_PICTURE_BYTES = 256 * 2**20
"""Of one picture's file: 25 megapixels of 16 bits in four channels, not compressed, have 191 MiB."""
MOST_UNPACKED_BYTES = 16 * 2**30
"""Of all members of an archive together, and of a packed TAR that is unpacked into a temporary file."""
MOST_XZ_MEMORY = 128 * 2**20
"""`xz -9`, its highest level, needs 65 MiB to unpack."""
MOST_LABEL_BYTES = 64 * 2**20
MOST_ARRAYS = 200
"""IDX files, and arrays in NPZ files."""
MOST_CLASSES = 1_000
MOST_LISTED = 50
"""How many of many sizes, files and duplicates a report lists."""
MOST_NAMED = 10
"""How many of many names a sentence has."""
