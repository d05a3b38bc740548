"""Fuzzing of every parser that reads bytes: `python -m tests.fire.fuzz NAME --seconds 300`."""
