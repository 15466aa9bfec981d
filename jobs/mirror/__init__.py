"""What brings models, data sets and packages to a machine without internet; `jobs.fetch` uses it."""
