"""Acting on probabilities: sets that keep a promise, decisions by cost, thresholds, slices."""
