"""Which images stay together, and which side of the split each is on."""
