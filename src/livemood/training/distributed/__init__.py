"""One training in several processes, as torchrun starts them."""
