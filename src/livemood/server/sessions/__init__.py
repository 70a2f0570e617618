"""Sessions from their creation to their end: registry, admission, housekeeping."""
