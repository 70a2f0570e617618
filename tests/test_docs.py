"""Documents that are generated are up to date, and what all of them promise exists."""

import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("benchmarks/*.md"),
    *ROOT.glob("examples/*.md"),
    *ROOT.glob("models/*/*.md"),
    *ROOT.glob("models/text/*/*.md"),
]
CODE = re.compile(r"(?ms)^```.*?^```|`[^`\n]*`")


@pytest.fixture(scope="module")
def scripts():
    """A function from the name of a script to its module."""
    sys.path.insert(0, str(ROOT / "scripts"))
    yield importlib.import_module
    sys.path.remove(str(ROOT / "scripts"))


def test_the_protocol_document_and_schema_are_up_to_date(scripts):
    protocol, docs = scripts("make_protocol"), ROOT / "docs" / "reference"
    assert (docs / "protocol.schema.json").read_text("utf-8") == protocol.schema()
    assert (docs / "protocol.md").read_text("utf-8") == protocol.document()


@pytest.mark.parametrize("page", ["commands.md", "python.md", "recipe.md", "settings.md"])
def test_generated_pages_are_up_to_date(scripts, page):
    pytest.importorskip("torch", reason="the researcher's commands need the extra train")
    made = scripts("make_reference").PAGES[page]()
    told = "run: python scripts/make_reference.py"
    assert (ROOT / "docs" / "reference" / page).read_text("utf-8") == made, told


def test_the_figures_of_the_readme_are_up_to_date(scripts):
    made = scripts("make_figures").document()
    told = "run: python scripts/make_figures.py"
    assert (ROOT / "README.md").read_text("utf-8") == made, told


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(document):
    text = CODE.sub("", document.read_text("utf-8"))
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        file = document.parent / target if target else document
        assert file.exists(), f"there is no {target}"
        if anchor:
            assert anchor in headings(file), f"{file.name} has no heading #{anchor}"


def test_every_test_that_the_page_of_faults_names_exists():
    page = (ROOT / "docs" / "explanation" / "faults.md").read_text("utf-8")
    named = re.findall(r"`(tests/\S+\.py)::(\w+)`", page)
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if not row.endswith("| test |")]
    assert all("::" in row for row in rows), "each row names a test"
    assert page.count("::") == len(named)
    for file, name in named:
        text = (ROOT / file).read_text("utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{file}::{name}"


def headings(document):
    """The anchors of a document's headings, as sites and forges make them."""
    text = re.sub(r"(?ms)^```.*?^```", "", document.read_text("utf-8"))
    for heading in re.findall(r"(?m)^#+ (.+)$", text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        yield re.sub(r"[^\w\s-]", "", plain).strip().replace(" ", "-")


def test_every_page_is_in_the_contents_of_the_site():
    contents = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in ROOT.glob("docs/**/*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in contents


def test_ci_runs_exactly_the_readme_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"```sh\n(.*?)\n```", readme, re.S)
    assert "livemood demo" in commands[0]
    assert "pytest" in commands[1]
    assert commands[1] in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.slow
def test_the_site_builds_without_a_warning(scripts):
    pytest.importorskip("zensical", reason="the site needs the extra docs")
    assert scripts("site_build").main() == 0
    assert (ROOT / "site" / "index.html").is_file()
