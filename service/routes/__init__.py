"""One file for each group of operations: what goes in, what is called, what goes out."""
