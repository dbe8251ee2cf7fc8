"""Passengers of the Titanic: 891 of them, with name, ticket and cabin as they were written down, and who survived.

The training table of Kaggle's competition for beginners, made of the passenger list that Cason took from Hind's
Encyclopedia Titanica. evalml carries it among its tests.
"""

from data.archives import Archive, Dataset

DATASET = Dataset(
    name="titanic",
    archive=Archive(
        package="evalml",
        version="0.84.0",
        sha256="612e35a9b64f55f4b104855c92816508f5c16deb030c33fcf3ac250020f41ccc",
        licence="BSD-3-Clause, for the package's code",
    ),
    member="evalml/tests/data/titanic.csv",
    licence="None stated with the data. Kaggle shares it with who takes part; the list itself is a historical record.",
    citation="Kaggle (2012): Titanic - Machine Learning from Disaster; after Cason, T. (1999): titanic3, Department of "
    "Biostatistics, Vanderbilt University; after Hind, P.: Encyclopedia Titanica.",
    source="https://www.kaggle.com/competitions/titanic/data",
)
