"""Commands that work while somebody speaks."""

from livemood.cli.live import enroll, listen, watch

COMMANDS = (listen.listen, listen.demo, watch.watch, enroll.enroll)
"""In the order in which `livemood --help` lists them."""
