"""Bytes in a format to pixels or arrays: one file a kind."""
