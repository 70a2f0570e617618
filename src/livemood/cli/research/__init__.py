"""Commands for people who make models. They need the extra `train`, and load it when they run."""

from livemood.cli.research import encoders, training

COMMANDS = (training.train, training.search, training.evaluate)
"""In the order in which `livemood --help` lists them."""
GROUPS = {"encoders": encoders.app}
"""Commands with commands of their own, by name."""
