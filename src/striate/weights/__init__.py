"""Files of trained weights: what is in them, and how it gets into a network."""
