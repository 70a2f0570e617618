"""Pretrained encoders, behind one interface: which there are, how good they are, tuning them."""
