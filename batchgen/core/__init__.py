"""The rules of the trade: states, events, transitions, money, back-off and the ports. Standard library only, no I/O, no clock."""
