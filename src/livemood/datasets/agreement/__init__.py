"""Ratings of the same recordings by several people: how far they agree, and what to take."""
