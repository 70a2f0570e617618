"""A live session that goes on at another server, when the one that has it leaves."""
