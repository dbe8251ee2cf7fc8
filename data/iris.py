"""150 iris flowers of three species, four measurements each, in centimetres: the field's oldest example.

Fisher's table as scikit-learn has it in its `load_iris`, from R: two flowers of the widespread UCI file differ from
Fisher's paper, and these do not. The library is installed anyway, so nothing is downloaded.
"""

from __future__ import annotations

import io

import pandas as pd

from data.archives import Dataset, Installed

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def read(content: bytes) -> pd.DataFrame:
    """The file begins with the number of rows, that of columns, and the species by their codes in the last column."""
    species = content.decode().partition("\n")[0].strip().split(",")[2:]
    table = pd.read_csv(io.BytesIO(content), skiprows=1, names=[*COLUMNS, "species"])
    return table.assign(species=table["species"].map(dict(enumerate(species))))


DATASET = Dataset(
    name="iris",
    archive=Installed(
        package="scikit-learn",
        sha256="f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449",
        licence="BSD-3-Clause",
    ),
    member="sklearn/datasets/data/iris.csv",
    licence="CC BY 4.0, as the UCI repository publishes it.",
    citation=(
        "Fisher, R. A. (1936): The use of multiple measurements in taxonomic problems. Annals of Eugenics 7, 179-188; "
        "UCI Machine Learning Repository, doi 10.24432/C56C76."
    ),
    source="https://archive.ics.uci.edu/dataset/53/iris",
    read=read,
)
