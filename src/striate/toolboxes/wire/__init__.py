"""Bytes of other toolboxes' files to plain values; every count is checked against what is left."""
