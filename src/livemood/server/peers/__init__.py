"""The other workers of a machine: who has which session, how busy each is, how to ask them."""
