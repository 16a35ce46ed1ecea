CREATE TABLE outreach (
    id text PRIMARY KEY,
    employer text NOT NULL,
    candidate uuid NOT NULL,
    member_ref text NOT NULL,
    request_digest bytea NOT NULL,
    sealed text,
    submitted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'submitted' CHECK (state IN (
        'submitted', 'delayed', 'admitted', 'dropped', 'cancelled', 'delivered', 'bounced', 'doubtful')),
    version integer NOT NULL DEFAULT 0,
    slot_at timestamptz,
    due_at timestamptz,
    decision text CHECK (decision IN ('admit', 'delay', 'drop', 'cancel')),
    rule text,
    policy text,
    decided_at timestamptz,
    detail text
);
CREATE INDEX outreach_due ON outreach (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outreach_waiting ON outreach (candidate) WHERE state IN ('submitted', 'delayed');
CREATE INDEX outreach_slots ON outreach (slot_at) WHERE slot_at IS NOT NULL;

-- The feed of state changes. `xid` lets a reader stop before what is not committed yet, so that no row is ever passed over.
CREATE TABLE changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    outreach text NOT NULL,
    employer text NOT NULL,
    state text NOT NULL,
    rule text,
    at timestamptz NOT NULL
);
CREATE INDEX changes_by_employer ON changes (employer, xid, id);
CREATE INDEX changes_by_xid ON changes (xid, id);

CREATE TABLE consents (
    candidate uuid PRIMARY KEY,
    version integer NOT NULL,
    contact boolean NOT NULL,
    blocked_employers text[] NOT NULL,
    first_contacts_per_week integer,
    min_gap_hours integer,
    quiet_start time,
    quiet_end time,
    time_zone text,
    paused_until timestamptz,
    ends_at timestamptz
);

CREATE TABLE memberships (
    candidate uuid PRIMARY KEY,
    version integer NOT NULL,
    employers text[] NOT NULL
);

CREATE TABLE candidate_keys (
    candidate uuid PRIMARY KEY,
    version integer NOT NULL,
    public_key text NOT NULL
);

-- One row: which Redis the windows are in. Batches hold it FOR SHARE, a rebuild takes it FOR UPDATE.
CREATE TABLE epoch (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    name text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO epoch (name) VALUES ('none');
