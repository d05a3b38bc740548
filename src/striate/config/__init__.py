"""The user's settings, `--set`, and suggestions for misspelt names."""
