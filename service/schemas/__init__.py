"""What goes over the wire, in and out. Fields that are not here are refused by name."""
