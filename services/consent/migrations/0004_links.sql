-- When the person last switched something on that was off, or let an employer in again: older links only stop their own.
ALTER TABLE consents ADD COLUMN granted_at timestamptz;
UPDATE consents SET granted_at = given.at
FROM (
    SELECT candidate, max(ledger.at) AS at FROM ledger JOIN receipts USING (seq)
    WHERE receipts.document -> 'record' -> 'event' ->> 'type' = 'given' GROUP BY candidate
) AS given
WHERE given.candidate = consents.candidate;

-- What was asked for by each unsubscribe link: one row a link, as long as the link works.
CREATE TABLE attempts (
    link bytea PRIMARY KEY CHECK (length(link) = 32), -- SHA-256 of the token: no table holds a link that works
    candidate text NOT NULL,
    employer text,
    scope text NOT NULL CHECK (scope IN ('all', 'employer')),
    outcome text NOT NULL CHECK (outcome IN ('changed', 'nothing', 'asked')),
    at timestamptz NOT NULL,
    stopped_all boolean NOT NULL,
    stopped_employer boolean NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX attempts_of_a_person ON attempts (candidate, at DESC);
CREATE INDEX attempts_that_end ON attempts (expires_at);

-- When a person is next told what was changed in their name, and when they were told last.
CREATE TABLE tellings (
    candidate text PRIMARY KEY,
    due_at timestamptz,
    told_at timestamptz,
    stop_asked_at timestamptz
);
CREATE INDEX tellings_due ON tellings (due_at) WHERE due_at IS NOT NULL;

-- What they are told then: each kind once, with its latest time. Written under the lock of the person's telling.
CREATE TABLE changes_to_tell (
    candidate text NOT NULL,
    what text NOT NULL CHECK (what IN ('everything_stopped', 'employer_stopped', 'choices_changed')),
    employer text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    PRIMARY KEY (candidate, what, employer)
);
