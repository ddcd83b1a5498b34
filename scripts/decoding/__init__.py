"""The running parts of scripts/bench_decoding.py: ways to decode, files, and the race."""
