"""A selection for people: as a table of figures and one of the features that matter most."""

from typing import Any, Final

MOST: Final = 15
"""Features that the table shows."""
FEWEST_FOLDS: Final = 4
"""Fewer say nothing of how far figures scatter."""


def selection_page(found: dict[str, Any]) -> str:
    """The selection as Markdown: what it is worth, and which features were chosen."""
    kind, keep, folds = found["of"], found["keep"], len(found["folds"])
    lines = [
        f"# {keep} of {found['features']} {kind}",
        "",
        f"{found['items']} items of {found['speakers']} speakers, {len(found['labels'])} labels, "
        f"{folds} folds. Mean recall of the labels (UAR) in percent, on speakers that neither "
        "selection nor classifier saw.",
        "",
        *figures(found),
        "",
        *(f"- {line}" for line in verdicts(found)),
        "",
        *_features(found, folds),
    ]
    return "\n".join(lines) + "\n"


def figures(found: dict[str, Any]) -> list[str]:
    """The lines of a table: UAR of all features, of random ones, and of those selected."""
    low, high = min(found["random"]["draws"]), max(found["random"]["draws"])
    rows = [
        "| features | UAR | against all |",
        "| --- | ---: | ---: |",
        f"| all {found['features']} | {found['all']['uar']:.1f} | |",
        f"| {found['keep']} at random | {found['random']['uar']:.1f} ({low:.1f} to {high:.1f}) | "
        f"{found['random']['uar'] - found['all']['uar']:+.1f} |",
    ]
    for method, row in found["methods"].items():
        gain, error = row["gain"]["uar"], row["gain"]["error"]
        spread = "" if error is None else f" ± {error:.1f}"
        rows.append(f"| {found['keep']} by {method} | {row['uar']:.1f} | {gain:+.1f}{spread} |")
    return rows


def verdicts(found: dict[str, Any]) -> list[str]:
    """For each method in a line, whether selecting helps.

    That is said if 95 % of the t distribution, over folds, lies to one side of no difference.
    """
    from scipy.stats import t

    lines = []
    for method, row in found["methods"].items():
        gain, error, folds = row["gain"]["uar"], row["gain"]["error"], len(row["folds"])
        if folds < FEWEST_FOLDS:
            said = f"too few folds ({folds}) to say whether it helps"
        elif abs(gain) <= t.ppf(0.975, folds - 1) * error:
            said = "no clear difference to all features"
        else:
            said = "it helps" if gain > 0 else "it costs accuracy"
        beaten = 1 - row["random_as_good"]
        lines.append(f"{method}: {said}; better than {beaten:.0%} of random sets of that size")
    return lines


def _features(found: dict[str, Any], folds: int) -> list[str]:
    """The best features of each method, with how many folds chose them."""
    best = {
        method: [f"{r['feature']} ({r['chosen']})" for r in row["ranking"][:MOST]]
        for method, row in found["methods"].items()
    }
    columns = zip(*best.values(), strict=True)
    return [
        f"The best, and in how many of {folds} folds each was chosen:",
        "",
        f"| rank | {' | '.join(best)} |",
        f"| ---: |{' --- |' * len(best)}",
        *(f"| {n} | {' | '.join(row)} |" for n, row in enumerate(columns, start=1)),
    ]
