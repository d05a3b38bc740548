"""Files of the run folder: atomic writes, JSON, CSV, arrays, and the record in `run.json`."""
