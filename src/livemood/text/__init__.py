"""What the words say, beside how the voice sounds: a text encoder, and late fusion of both.

Needs the extra `words`. `livemood.LateFusion` is the door; the engine calls it through its protocol
`Fusion` and knows nothing of this room.
"""
