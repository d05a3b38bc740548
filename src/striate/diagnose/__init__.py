"""Checks: one file each, ending in CHECK."""
