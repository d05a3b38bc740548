"""From rows to a model: the whole procedure, its choices included, without a look at the test."""
