-- A deletion that has had its effect: it took a record's claim, or stopped a creation that it had overtaken. It is remembered for the
-- day, so that the same deletion told again is no news, and whoever applies again under the same record is taken.
ALTER TABLE kept_reports ADD COLUMN counted boolean NOT NULL DEFAULT false;

-- An erasure asks by person, a reader of the log by tenant.
CREATE INDEX operator_log_by_candidate ON operator_log (candidate) WHERE candidate IS NOT NULL;
CREATE INDEX operator_log_by_tenant ON operator_log (tenant, seq);
