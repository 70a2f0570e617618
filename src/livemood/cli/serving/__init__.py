"""Commands for whoever runs a server: start it, say who may use it, try its alerts, ask it."""

from livemood.cli.serving import alerts, mcp, serve, token

COMMANDS = (serve.serve, mcp.mcp)
"""In the order in which `livemood --help` lists them."""
GROUPS = {"token": token.app, "alerts": alerts.app}
"""Commands with commands of their own, by name."""
