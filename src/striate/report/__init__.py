"""From values to a report in words and pictures."""
