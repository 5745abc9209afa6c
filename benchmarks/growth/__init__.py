"""Whether postpay stays as fast as its database grows: docs/benchmarks.md, Growth."""
