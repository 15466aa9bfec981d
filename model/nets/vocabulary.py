"""Rows of the table of a decoder."""

from model.shapes import padded_vocab

__all__ = ["padded_vocab"]
