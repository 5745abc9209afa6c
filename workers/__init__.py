"""The running worker: streams, lanes, relay, operations and the command line."""
