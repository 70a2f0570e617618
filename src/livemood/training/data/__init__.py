"""Recordings to learn from: clips, manifests, corpora, folds, features on disk, predictions."""
