"""Commands for people who make models, and datasets for them.

They need the extra `train`, or `data`, and load it when they run.
"""

from livemood.cli.research import data, encoders, training

COMMANDS = (training.train, training.search, training.evaluate, training.train_text)
"""In the order in which `livemood --help` lists them."""
GROUPS = {"encoders": encoders.app, "data": data.app}
"""Commands with commands of their own, by name."""
