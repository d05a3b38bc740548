"""From a source to batches: read files, decode them once, split them without leakage."""
