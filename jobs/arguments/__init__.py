"""The command line before Hydra reads it, and what Hydra refuses in our own words."""
