"""What a user would pick instead: each file serves the same network as one project's documents do.

They are started as scripts, by the Python that has the peers, with the checkout on its path.
"""
