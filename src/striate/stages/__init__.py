"""The stages of `fit` that need the run folder: training, improving, scores and report."""
