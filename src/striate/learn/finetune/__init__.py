"""Gradient training: one training, its retries, races and remedies."""
