"""striate: labelled images in, a convolutional classifier that you can trust out."""
