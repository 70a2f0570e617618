"""The main database and ended timelines in PostgreSQL (extra `postgresql`), where several servers share them."""
