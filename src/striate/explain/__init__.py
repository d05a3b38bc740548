"""Views into the network: one file a method, each ending in METHOD."""
