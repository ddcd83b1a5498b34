"""Processes that work beside the event loop: they decode, and on a CPU do all of a picture.

In threads, the many small steps of decoding, looking and asking would take turns with all other
Python for the one interpreter lock, while a core waits. And what damages a decoder then ends a
process that is started again, not the service.
"""
