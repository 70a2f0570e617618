"""How sound comes into a server of many sessions: one module a way."""

# The service is built of these modules, and they of the service: it has to come first.
import livemood.server.service  # noqa: F401
