"""Networks trained on much sound, behind one interface, and which of them to transfer from."""
