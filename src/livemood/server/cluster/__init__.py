"""Several machines: nodes that know each other through NATS, and serve each other's sessions."""
