"""Search: resources by their properties."""
