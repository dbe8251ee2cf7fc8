"""People of the United States' census of 1994: what they are, what they do, and whether they earn above 50,000 dollars.

The "Adult" data set of the UCI repository, which research on fairness uses as its example. The package xai carries it
with the label named `loan`: an income above 50,000 stands for a loan that is granted.
"""

from data.archives import Archive, Dataset

DATASET = Dataset(
    name="census",
    archive=Archive(
        package="xai",
        version="0.3.0",
        sha256="b91e3611c3735462b514ee7b5eddd15503eb09eb2c25804acbf9aac502aaf24a",
        licence="MIT, for the package's code",
    ),
    member="xai/data/census.csv",
    licence="CC BY 4.0, as the UCI repository publishes it.",
    citation="Becker, B. and Kohavi, R. (1996): Adult. UCI Machine Learning Repository, doi 10.24432/C5XW20.",
    source="https://archive.ics.uci.edu/dataset/2/adult",
)
