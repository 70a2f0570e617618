"""Adaptation to other speech: weighing clips, aligning features, unlearning domains."""
