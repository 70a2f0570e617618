"""What can be measured of a voice: frames, pitch, periods, pauses, and their statistics."""
