"""What happens beside the steps of a training, one concern a file."""
