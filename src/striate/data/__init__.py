"""From a source to batches: files read, decoded once, split honestly."""
