"""What `jobs.doctor` looks at, one small function a line of its table."""
