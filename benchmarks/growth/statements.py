"""The benchmark's own statements, of fill.sql beside this module."""

from importlib.resources import files

from storage.queries import parse

SQL = parse(files(__package__).joinpath("fill.sql").read_text(encoding="utf-8"))
