"""Several processes at one address: a supervisor, and workers that each own their sessions."""
