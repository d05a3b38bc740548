"""Formulas only: intervals, paired tests, calibration, curves, scores."""
