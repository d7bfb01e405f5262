"""Run folders: what a training leaves, its configuration, and a run ready to use."""
