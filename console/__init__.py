"""The operators' page, `postpay console`: it looks as postpay_auditor, and acts through operating as postpay_ops.

A process of its own; workers know nothing of it. Source: docs/console.md.
"""
