"""Distant supervision: labels of stretches of sound from the words that are known of them."""
