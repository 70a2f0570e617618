"""Read many recordings into one pandas table, and say how each speaker sounded.

pip install pandas
python examples/batch_to_pandas.py recordings/*.wav
"""

import sys
from pathlib import Path

import pandas as pd

import livemood


def main(paths: list[str]) -> None:
    """One table of all readings; then the share of each label by file and speaker."""
    tables = []
    for path in paths:
        table = livemood.analyze(path).to_dataframe()
        tables.append(table.assign(file=Path(path).name))
    readings = pd.concat(tables, ignore_index=True)
    shares = readings.groupby(["file", "channel"])["label"].value_counts(normalize=True)
    print(shares.unstack(fill_value=0).round(2).to_string())


if __name__ == "__main__":
    main(sys.argv[1:])
