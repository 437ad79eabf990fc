"""What pages read: runs, frames, generated images, machine, processes. Only `generation` loads torch."""
