"""Groups of images that stay together, and the split."""
