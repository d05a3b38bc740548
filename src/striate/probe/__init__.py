"""Measuring before choosing."""
