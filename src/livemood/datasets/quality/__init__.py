"""The quality of a dataset before anybody trains on it: what tells the label that should not."""
