"""Answer HTTP calls, one module for one kind of call.

Handlers stay thin: let the call in, read what is wanted, have it billed, shape the answer. What is sold, and at what
price, the modules beside this folder know.
"""
