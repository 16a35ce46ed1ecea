-- What was told of a record that nobody knows yet, as it was sealed on its way: webhooks are repeated for a day, so what happened
-- later may arrive earlier. It is looked at again when the record becomes known. With `waits_for` it is told of a mailbox whose
-- stub is being erased, and goes back onto `ats-events` once that is settled.
CREATE TABLE kept_reports (
    vendor text NOT NULL,
    record text NOT NULL,
    employer text NOT NULL,                      -- empty: none (the join page)
    kind text NOT NULL,
    id text NOT NULL,                            -- of the event
    event text NOT NULL,                         -- its JSON; what names a person in it is sealed
    happened_at timestamptz,                     -- by the vendor's clock
    kept_at timestamptz NOT NULL,
    waits_for uuid,
    PRIMARY KEY (vendor, record, employer, kind)
);
CREATE INDEX kept_reports_by_age ON kept_reports (kept_at) WHERE waits_for IS NULL;
CREATE INDEX kept_reports_waiting ON kept_reports (kept_at) WHERE waits_for IS NOT NULL;

-- The newest of the vendor's own times among what was taken of this record: what is older arrives too late.
ALTER TABLE claims ADD COLUMN happened_at timestamptz;
