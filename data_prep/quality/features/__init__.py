"""Stylometric features of texts."""
