"""The main database and ended timelines in PostgreSQL, where several servers share them."""
