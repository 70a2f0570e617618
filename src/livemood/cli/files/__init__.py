"""Commands for sound and sessions that are complete."""

from livemood.cli.files import analyze, report

COMMANDS = (analyze.analyze, report.report)
"""In the order in which `livemood --help` lists them."""
