-- What a suspended or removed employer has waiting is cancelled some at a time.
CREATE INDEX outreach_waiting_of_sender ON outreach (employer) WHERE state IN ('submitted', 'delayed');
-- What ended long ago is deleted some at a time.
CREATE INDEX outreach_ended ON outreach (decided_at)
    WHERE state IN ('dropped', 'cancelled', 'delivered', 'bounced', 'doubtful');
