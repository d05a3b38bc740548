"""Kinds of sources: one file each, ending in SOURCE."""
