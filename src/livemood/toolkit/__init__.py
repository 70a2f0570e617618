"""The researcher's commands: `livemood train`, `search`, `evaluate`, `sources`.

A floor above the engine and the training wing, since it needs both: models are trained by the one
and measured on conversations by the other. Needs the extra `train`.
"""
