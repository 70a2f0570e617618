"""Changes of sound: of examples to train on, and of clips that a model is measured on."""
