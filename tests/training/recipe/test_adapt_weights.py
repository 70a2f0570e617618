"""How much a method's own loss counts, unless the recipe says."""

import json
from pathlib import Path

import pytest

from livemood.training.recipe.adapt import NEED_TARGET, WEIGHTS, AdaptSection

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results" / "adaptation.json"


def section(method, **options):
    target = {"target": ("there",)} if method in NEED_TARGET else {}
    return AdaptSection.model_validate({"method": method, **target, **options})


@pytest.mark.parametrize("method", WEIGHTS)
def test_it_is_what_the_method_was_measured_with(method):
    rows = json.loads(RESULTS.read_text("utf-8"))["rows"]
    measured = {row["options"]["weight"] for row in rows if row["method"] == method}
    assert {section(method).own_weight} == measured


def test_a_weight_that_is_given_counts():
    assert section("adversarial", weight=0.3).own_weight == 0.3
    assert section("mmd", weight=0).own_weight == 0


def test_methods_without_a_loss_of_their_own_take_any_weight():
    assert section("coral").own_weight == 0
    assert section("coral", weight=0.3).own_weight == 0.3  # as recipes were written before
