"""Personal data: found by patterns with checks, and replaced."""
