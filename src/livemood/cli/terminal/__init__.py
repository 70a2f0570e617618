"""What a session looks like in a terminal: the live view, plain lines, JSON."""
