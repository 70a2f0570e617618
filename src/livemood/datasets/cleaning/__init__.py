"""Recordings made fit for training: steps that change the sound, and what is left out."""
