"""Text to token ids on disk: the .bin/.idx pair of Megatron-Core, made shard by shard."""
