"""From bytes in a format to pixels or arrays: one file per format."""
