"""What the payloads of a call mean, and how each becomes sound."""
