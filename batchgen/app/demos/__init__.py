"""The demos: real runs against the simulator, struck down in the middle, brought to their end, and held against the vendor's own bill."""
