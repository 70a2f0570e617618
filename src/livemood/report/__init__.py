"""A session on paper: one HTML file that holds everything it needs, and no script."""

from livemood.report.document import LANGUAGES, make_report

__all__ = ["LANGUAGES", "make_report"]
