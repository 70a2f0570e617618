"""Reading a stream step by step: the grid of steps, the state kept, and what advances it."""
