-- Of whoever was erased before `erase` cleared this too.
UPDATE persons SET consent_no_at = NULL, consent_lifts_no_until = NULL
WHERE consent_version = 9223372036854775807 AND (consent_no_at IS NOT NULL OR consent_lifts_no_until IS NOT NULL);
