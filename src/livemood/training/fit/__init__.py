"""Training: batches, losses, optimizer, teachers, validation, and the loop over epochs."""
