"""How other programs write labelled recordings. One module a format: `read` and `write`."""
