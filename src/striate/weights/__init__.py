"""Files of trained weights: reading them, and loading them into a network."""
