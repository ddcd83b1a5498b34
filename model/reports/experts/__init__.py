"""What the experts say alone and together, on pictures that none of them has seen."""
