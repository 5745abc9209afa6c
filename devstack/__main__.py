"""`python -m devstack`, the same as `postpay dev`."""

from devstack.cli import app

if __name__ == "__main__":
    app(prog_name="devstack")
