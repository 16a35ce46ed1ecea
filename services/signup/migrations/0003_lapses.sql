-- A stub that is to be erased, unless the person has answered: consent was asked then, and is asked again until it is settled.
ALTER TABLE candidates
    ADD COLUMN lapse_reason text CHECK (lapse_reason IN ('deleted', 'expired', 'refused')),
    ADD COLUMN lapse_asked_at timestamptz,
    ADD CHECK ((lapse_reason IS NULL) = (lapse_asked_at IS NULL));
CREATE INDEX candidates_lapsing ON candidates (lapse_asked_at) WHERE lapse_asked_at IS NOT NULL;
DROP INDEX candidates_to_purge;
CREATE INDEX candidates_to_lapse ON candidates (stub_until) WHERE confirmed_at IS NULL AND lapse_reason IS NULL;

-- Who was erased, for good: an id and nothing else, so that neither a backup nor a late event brings anybody back.
CREATE TABLE erased (
    candidate uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL
);

-- "Never again": no report of a vendor has this mailbox invited any more.
ALTER TABLE invitations ADD COLUMN refused_at timestamptz;
