"""Common ground, which every package needs and none owns: errors, atomic files, manifests, progress, ranks, stopping.
Imports nothing of ours."""
