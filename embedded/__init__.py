"""The parts of `make up`: an OpenSearch node, Valkey, the supervisor. Only `command` imports Django."""
