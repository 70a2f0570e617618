"""Datasets of labelled speech: formats, agreement of raters, quality, features, cleaning.

What `livemood data` does. It needs no torch. The manifest of `livemood.training.data` stands in the
middle of every conversion.
"""
