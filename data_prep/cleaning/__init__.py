"""Cleaning: steps that mend texts and remove lines and pages."""
