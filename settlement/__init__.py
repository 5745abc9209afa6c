"""The pure core: decides what a message means for the money. No I/O, no clock, standard library only.

`batch` (in which order) and `decide` (by which rule) are the machine; `rules/` are the rules; all else is vocabulary:
values that storage and contracts know as well, and `state` and `draft`, by which rules read and write them.
"""
