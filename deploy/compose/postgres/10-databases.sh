#!/usr/bin/env bash
# One database and one role of the same name for each service, closed to the others, and an owner of each database that
# nobody can log in as (each/owner.sql). PostgreSQL's image runs this once, on an empty volume; on a server of your own run
# it with PGHOST, PGPORT, PGUSER and PGPASSWORD of an administrator. It may be run again: what is there stays.
set -euo pipefail

: "${PGUSER:=${POSTGRES_USER:-postgres}}"
export PGUSER
each="$(dirname "${BASH_SOURCE[0]}")/each"

for service in signup consent pool_matching outreach_gateway; do
  variable="POSTGRES_${service^^}_PASSWORD"
  : "${!variable:?is missing: make it with 'make env'}"
  # By the environment, not as an argument: arguments of a process are public.
  SERVICE="$service" SERVICE_PASSWORD="${!variable}" psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --dbname=postgres <<'SQL'
\getenv service SERVICE
\getenv password SERVICE_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', :'service')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
ALTER ROLE :"service" PASSWORD :'password';
SELECT format('CREATE DATABASE %I', :'service')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
  psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --dbname="$service" --file="$each/owner.sql"
done
