"""Decoding beside the event loop, in processes of its own or in threads.

In threads, the many small steps of decoding and looking at a picture would take turns with all
other Python for the one interpreter lock, while a core waits. And what damages a decoder then ends
a process that is started again, not the service.
"""
