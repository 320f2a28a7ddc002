"""The exit codes: a contract with every script that calls batchgen."""

from enum import IntEnum


class Exit(IntEnum):
    """How a process ended; a death by signal n is 128 + n."""

    DONE = 0
    BUG = 1
    INPUT = 2
    UNDECIDED = 3
    AUTH = 4
    LIMIT = 5
    BALANCE = 6
    STORAGE = 7
    LOCKED = 8
    WORK = 9
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """Give the line shown in the README."""
        return {
            Exit.DONE: "all asked work is done, or there was nothing to do",
            Exit.BUG: "a bug of batchgen",
            Exit.INPUT: "usage or manifest; nothing was changed",
            Exit.UNDECIDED: "finished, but some jobs failed or need a decision; `verify` found a violation",
            Exit.AUTH: "the API key, or what an object storage asks for, is missing or was rejected",
            Exit.LIMIT: "stopped by your own limit: budget, deadline, halt, canary, or by `stop`",
            Exit.BALANCE: "the account's balance or the key's quota is exhausted",
            Exit.STORAGE: "storage: disk or database",
            Exit.LOCKED: "another runner holds the database",
            Exit.WORK: "only `plan --exit-code`: there is work",
            Exit.HANGUP: "hung up; the state is saved",
            Exit.INTERRUPTED: "interrupted (Ctrl-C); the state is saved",
            Exit.TERMINATED: "terminated; the state is saved",
        }[self]
