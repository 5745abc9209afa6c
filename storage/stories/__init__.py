"""What is told of an account, a merchant, a decision: values with the fields that the commands' documentation promises.

Functions read in a transaction of their own, so outside one of the caller's.
"""
