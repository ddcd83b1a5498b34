"""Omniglot's 20 runs of 20-way one-shot classification, after learning from five alphabets alone.

Lake, Salakhutdinov and Tenenbaum (2015, Science 350:1332); the minimal background sets are those of
their progress report (2019, arXiv:1902.03477). Published errors stand beside ours, so that a
mistake in a learner's arithmetic shows against other people's figures.
"""
