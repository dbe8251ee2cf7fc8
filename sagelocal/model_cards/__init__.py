"""Model cards: their versions, and their export as a PDF."""
