"""The networks in torch: their layers, the weights they begin with, what a run leaves of them."""
