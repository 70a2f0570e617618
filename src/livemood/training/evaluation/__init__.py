"""How good a model is: predictions, figures, and the pages that say them."""
