-- What employers wrote to each person, as the gateway decided it and as it ended: no words. The two halves come on two topics, in any order.
CREATE TABLE messages (
    outreach text PRIMARY KEY,
    candidate text NOT NULL,
    employer text NOT NULL,
    began_at timestamptz NOT NULL,
    ends_at timestamptz,
    decision_version integer NOT NULL DEFAULT -1,
    outcome text,
    rule text,
    policy text,
    decided_at timestamptz,
    slot_at timestamptz,
    report_version integer NOT NULL DEFAULT -1,
    reported text,
    reported_at timestamptz,
    sender_suspended boolean NOT NULL DEFAULT false
);
CREATE INDEX messages_of_person ON messages (candidate, began_at DESC, outreach DESC);
CREATE INDEX messages_by_age ON messages (began_at);

-- The numbers of each policy, as its decisions carry them.
CREATE TABLE policies (
    policy text PRIMARY KEY,
    numbers jsonb NOT NULL
);
