"""Tell people and monitors of a run: notices by command and webhook, a heartbeat file, a file of metrics. None of it stops or delays a run.

Theory of operation. A lookout, a thread beside the run, takes the same snapshot every few seconds that a terminal shows. From it the alarms
find what is worth a notice, and the two files are written anew. Notices go through an outbox with a thread of its own, one after the
other, so that a receiver that hangs keeps nothing waiting but the notices behind it. What fails is noted in the diary.
"""
