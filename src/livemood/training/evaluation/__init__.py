"""Evaluation: predictions, metrics, and the reports that show them."""
