"""Models behind an OpenAI-compatible server, asked once for each thing, killed or not."""
