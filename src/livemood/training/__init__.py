"""How livemood's models are made: corpora, features, the network in torch, training, export.

This wing needs the extra `train`; nothing of the running product imports it.
"""
