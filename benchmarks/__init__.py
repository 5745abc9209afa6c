"""What postpay settles a second, with the floor and a peer measured in the same run: docs/benchmarks.md."""
