"""What is known of each job without running it, one file a job; `jobs.registry` lists them. Quick to import: no torch,
no numpy."""
