"""A trained model in use: predictions, decisions, evaluation."""
