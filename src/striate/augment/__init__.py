"""Augmentations: one file an operation, each ending in AUGMENT."""
