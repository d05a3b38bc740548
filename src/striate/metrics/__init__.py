"""Statistics: confidence intervals, paired tests, calibration, curve smoothing, scores."""
