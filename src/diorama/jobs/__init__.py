"""The web app's jobs: a row in the store, a folder of files, a worker process that makes the scene.

store      one row a job; products: one row a file that was asked for (tables, migrations, database)
claims     how both are taken from the queue, given back and ended; turns: whose turn it is
files      the job's folder: the upload, the finished stages, the files of each step
remote     the store that several machines share: what is there is whole
work       what a worker process does with one job
reporting  how far it is, for the person who waits
outputs    the files of a step
processes  a worker process
cluster    workers on other machines
owners     which server process works on a job
runner     the slots: claim a job, hand it to a worker process, keep what came of it
space      room on the disk; quotas: what a user may keep; housekeeping: what is removed
"""
