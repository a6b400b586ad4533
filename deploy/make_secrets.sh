#!/bin/sh
# Makes what docker-compose.yml reads from deploy/secrets. What is there already is kept, so it may be run again.
# The containers' users must be able to read the files; the folder is closed to everyone else on this host.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

keep() { # NAME VALUE; without a line end, which would become part of the secret
    [ -e "secrets/$1" ] || printf %s "$2" >"secrets/$1"
    chmod 444 "secrets/$1"
}

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

keep secret_key "$(random)"
keep postgres_password "$(random)"
keep database_url "postgres://ragsite:$(cat secrets/postgres_password)@postgres:5432/ragsite"
keep openai_api_key "${OPENAI_API_KEY:-}"
echo "The secrets are in $(pwd)/secrets. Keep a copy of them: a backup is no use without."
