"""Deduplication: exact and near duplicates, paragraphs, duplicates in meaning."""
