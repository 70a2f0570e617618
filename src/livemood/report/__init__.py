"""The report of a session: one HTML file that needs no other file and no script."""

from livemood.report.document import LANGUAGES, make_report

__all__ = ["LANGUAGES", "make_report"]
