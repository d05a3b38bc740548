"""The parts of the commands; nothing here prints."""
