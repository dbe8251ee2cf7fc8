"""Application Auto Scaling for the variants of endpoints: the API, the policies, and the loop that acts on them."""
