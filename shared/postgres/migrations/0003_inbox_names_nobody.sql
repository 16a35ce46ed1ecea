-- Ids of events named the person that they were about until December 2026, and the inbox keeps ids for 110 days: longer than
-- some of these people were kept. What such ids were of is guarded by versions today, so nothing needs them here any more.
DELETE FROM inbox WHERE event_id ~
    ' ([0-9a-f-]{36}:(registered|confirmed|erased|(profile|key|mailbox):[0-9]+)|(memberships-|consent:)[0-9a-f-]{36}[-:][0-9]+)$';
