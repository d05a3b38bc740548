"""The choice of a strategy and plan: pure functions of the measured evidence."""
