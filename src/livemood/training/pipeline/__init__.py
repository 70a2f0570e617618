"""Whole runs: from a recipe to models and figures, once, by fold, or many times in a search."""
