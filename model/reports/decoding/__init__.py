"""Ways to come from a file to the encoder's square: figures, tables and the plot."""
