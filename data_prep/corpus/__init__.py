"""The corpus factory: sources of raw text to kept documents, stage by stage, each a sharded array."""
