-- No process that writes without an epoch runs any more.
ALTER TABLE identities ALTER COLUMN epoch DROP DEFAULT;
ALTER TABLE intake_keys ALTER COLUMN epoch DROP DEFAULT;
ALTER TABLE sources ALTER COLUMN epoch DROP DEFAULT;
