"""How sound comes into a server of many sessions: one module a way."""
