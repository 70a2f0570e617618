"""Builds the documentation as a site, into `site/`; any warning is an error.

`python scripts/site_build.py`, then open `site/index.html`. Documents link to each other as files
of the repository, so that you can read them there as plain Markdown. On the site some files from
outside of `docs/` are pages too, and links to the rest (source code, say) become plain text.
"""

import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "models/*/card.md",
    "models/text/*/card.md",
)
PREPARED = ROOT / "build" / "docs"
"""The `docs_dir` of mkdocs.yml."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def pages() -> dict[str, Path]:
    """Where each page stands on the site, and its file."""
    inside = {p.relative_to(DOCS).as_posix(): p for p in DOCS.rglob("*.md")}
    outside = [p for pattern in OUTSIDE for p in ROOT.glob(pattern)]
    return inside | {p.relative_to(ROOT).as_posix(): p for p in outside}


def on_site(markdown: str, here: str, file: Path) -> str:
    """The text of the page `here` with its links between files turned into links between pages."""

    def link(found: re.Match[str]) -> str:
        picture, text, target, anchor = found.groups()
        path = (file.parent / target).resolve()
        if path.is_relative_to(DOCS) or not path.exists():  # if it leads nowhere, the build says so
            there = posixpath.relpath(path, DOCS)
        elif path in outside:
            there = path.relative_to(ROOT).as_posix()
        else:
            return text
        target = posixpath.relpath(there, posixpath.dirname(here) or ".")
        return f"{picture}[{text}]({target}{anchor or ''})"

    outside = {p for p in pages().values() if not p.is_relative_to(DOCS)}
    return LINK.sub(link, markdown)


def prepare() -> None:
    """Write the tree that the site is built from."""
    shutil.rmtree(PREPARED, ignore_errors=True)
    shutil.copytree(DOCS, PREPARED)
    for here, file in pages().items():
        path = PREPARED / here
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(on_site(file.read_text("utf-8"), here, file), "utf-8")


def main() -> int:
    """Prepare and build. The exit status of the builder."""
    prepare()
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
