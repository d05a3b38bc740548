"""The whole procedure from rows to a model, choices included; it never reads the test images."""
