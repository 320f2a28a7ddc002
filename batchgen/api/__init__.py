"""The vendors: what to send, how to read what comes back, and the one HTTP client.

``dialects`` are pure, one package a vendor; ``envelope`` reads hostile JSON; ``addresses`` says where a download may go; ``client`` alone
touches the network and knows no vendor.
"""
