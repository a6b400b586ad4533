"""The parts of `make up`: an OpenSearch node, Valkey and the supervised processes. Only `command` imports Django."""
