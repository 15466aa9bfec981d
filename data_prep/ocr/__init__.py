"""Scanned pages: drawn, read by a vision model, written page by page."""
