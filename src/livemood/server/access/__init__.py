"""Who may come in, for what, and how patiently: tokens, origins, policy, connections."""
