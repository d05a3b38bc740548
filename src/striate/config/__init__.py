"""What a person asks for: settings, `--set` and near misses of names."""
