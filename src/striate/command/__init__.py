"""What the verbs of the command line are made of; nothing here prints."""
