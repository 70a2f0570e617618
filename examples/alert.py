"""Say something when a voice sounds angry for a second.

livemood listen                                     # in one terminal
python examples/alert.py ws://127.0.0.1:8765        # in another
"""

import asyncio
import sys

import livemood

LABEL, FOR_MS = "angry", 1000


async def main(url: str) -> None:
    """Follow the session at `url`; one line each time the label has lasted long enough."""
    since: dict[int, int] = {}  # channel: when the label began
    told: set[int] = set()
    async for event in livemood.connect(url):
        if event.type not in ("emotion", "speech.ended"):
            continue
        who = event.channel
        if event.type == "speech.ended" or event.label != LABEL:
            since.pop(who, None)
            told.discard(who)
        elif event.end_ms - since.setdefault(who, event.end_ms) >= FOR_MS and who not in told:
            told.add(who)
            print(f"speaker {who} sounds {LABEL} since {since[who] / 1000:.1f} s", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
