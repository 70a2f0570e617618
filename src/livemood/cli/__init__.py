"""The command line: a room for each kind of command, and one module a command."""
