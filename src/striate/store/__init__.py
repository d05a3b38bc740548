"""Values <-> files of the run folder: whole writes, JSON, CSV, arrays, and what `run.json` says."""
