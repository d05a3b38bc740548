"""The stages of the main job that need the run folder: fitting, improving, concluding."""
