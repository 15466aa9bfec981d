"""What every package needs and none owns: errors, atomic files, manifests, progress. Imports nothing of ours."""
