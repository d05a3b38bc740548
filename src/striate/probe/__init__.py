"""Measurements on frozen features before a strategy is chosen."""
