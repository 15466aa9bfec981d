"""Byte-level BPE: learn it, judge it, and encode in bulk with it."""
