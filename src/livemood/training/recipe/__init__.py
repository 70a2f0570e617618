"""What a recipe says: its sections, what a search may try, overrides from the command line."""
