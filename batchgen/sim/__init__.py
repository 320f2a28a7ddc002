"""Simulate the JimmyAI vendor on loopback: images, videos, tools, uploads, money and faults; OpenAI image calls too.

The simulator is a vendor. It imports nothing else of batchgen, so it cannot share a mistake with the client it tests.
Its billing ledger is on disk before an answer leaves, which makes it the oracle of every crash test.

A call comes in through `app` to one of the `fronts`, which lets it in at the `desk`. What is sold stands in `catalogue`,
`synchronous`, `tools`, `videos` and `openai_models`, at the `prices` of one table; `vendor` bills it in the ledger of
`billing`. `gallery` makes the files from the ledger, with `picture` and `clip`, and `storage` gives them out. Which call
meets a fault is decided in `faults`, by the rates of `profiles`, and carried out in `misbehaviour`, `delivery` and `wire`.
"""
