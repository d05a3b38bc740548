"""Networks: one file a family, each ending in NET."""
