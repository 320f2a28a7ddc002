"""Published images and videos, and kept answers: temporary files, checks, no-clobber links and hashes.

Knows nothing of jobs' states, SQL or the network.
"""
