"""Documents in: files of every format that is read, cut into units of work."""
