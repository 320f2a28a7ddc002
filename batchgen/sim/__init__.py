"""Simulate the JimmyAI image vendor on loopback: tasks, money, faults and pictures.

The simulator is a vendor. It imports nothing else of batchgen, so it cannot share a mistake with the client it tests.
Its billing ledger is on disk before an answer leaves, which makes it the oracle of every crash test.
"""
