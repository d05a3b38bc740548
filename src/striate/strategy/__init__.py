"""Choosing, purely, from what was measured."""
