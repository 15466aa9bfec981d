"""Version of the readers."""

VERSION = 1
"""Raised by hand whenever the same file may give other documents: what was made of them is made anew, or refused where
it is never replaced; ``tests/data_prep/versions`` holds it to that."""
