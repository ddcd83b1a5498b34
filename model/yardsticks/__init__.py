"""Tasks of the literature, with published figures, that the methods here are held against."""
