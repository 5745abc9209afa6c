"""Everything that talks to Kafka: clients, topics, and Faust as a carrier of whole record batches."""
