"""Texts as arrays: characters, words, lines and their hashes, measured for many documents at once."""
