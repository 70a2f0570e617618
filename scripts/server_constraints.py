"""Writes deploy/server-constraints.txt: the versions that a server's image is built with.

They are those that are installed here, of all that `livemood[rtp,webrtc,silero,cluster]` needs.
Use it as `pip install -c deploy/server-constraints.txt 'livemood[rtp,webrtc,silero,cluster]'`.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).parents[1] / "deploy" / "server-constraints.txt"
EXTRAS = ("rtp", "webrtc", "silero", "cluster")
HEAD = """# Versions for the image of a server, by scripts/server_constraints.py:
#   pip install -c deploy/server-constraints.txt 'livemood[rtp,webrtc,silero,cluster]'
"""


def needed(name: str, extras: tuple[str, ...], found: dict[str, str]) -> None:
    """Add what `name` needs, and what that needs, to `found`: versions by name."""
    for text in distribution(name).requires or ():
        wanted = Requirement(text)
        contexts = [{"extra": extra} for extra in extras] or [{"extra": ""}]
        if wanted.marker and not any(wanted.marker.evaluate(context) for context in contexts):
            continue
        canonical = canonicalize_name(wanted.name)
        try:
            version = distribution(canonical).version
        except PackageNotFoundError:
            sys.exit(f"{canonical} is not installed here: pip install -e '.[{','.join(EXTRAS)}]'")
        if canonical not in found:
            found[canonical] = version
            needed(canonical, tuple(wanted.extras), found)


def constraints() -> str:
    """The file's text."""
    found: dict[str, str] = {}
    needed("livemood", EXTRAS, found)
    return HEAD + "".join(f"{name}=={found[name].partition('+')[0]}\n" for name in sorted(found))


if __name__ == "__main__":
    FILE.write_text(constraints(), "utf-8")
