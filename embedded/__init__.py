"""The parts of `make up`: an OpenSearch node, Valkey and the supervised processes. No module here imports Django."""
