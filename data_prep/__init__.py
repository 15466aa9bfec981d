"""Text to tokens: readers, tokenizers, shards, merge. Meets `model` only at files (.bin/.idx, tokenizer.json,
manifest)."""
