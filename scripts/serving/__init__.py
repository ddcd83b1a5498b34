"""The running parts of scripts/bench_serving.py: servers, load, and what they are sent."""
