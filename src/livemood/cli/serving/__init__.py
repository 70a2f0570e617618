"""Commands for whoever runs a server: start it, say who may use it, try its alerts."""

from livemood.cli.serving import alerts, serve, token

COMMANDS = (serve.serve,)
"""In the order in which `livemood --help` lists them."""
GROUPS = {"token": token.app, "alerts": alerts.app}
"""Commands with commands of their own, by name."""
