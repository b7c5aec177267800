"""What decides the outcome of a run on frozen features, and nothing else.

The digest in each plan covers this package and all that it imports: a change there makes every record stale. So progress,
files, caches and messages for the user have no place here. `suite.hashing.code_files` lists what is covered.
"""
