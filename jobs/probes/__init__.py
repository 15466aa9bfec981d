"""Probes of saves: those that a training starts by itself (`trigger`), whose they are, and what they leave behind when
they fail."""
