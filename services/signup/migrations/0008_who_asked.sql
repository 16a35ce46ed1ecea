-- Who asked a page to email an address, so that nobody's requests spend another's. A digest over the address and the keyed hash
-- of the network: it tells the same one who asks again for the same address, and nothing else. Kept for a day, as the rest.
ALTER TABLE page_requests
    ADD COLUMN asked_by bytea,
    ADD COLUMN link_until timestamptz,           -- of a sign-in: how long the link works that was emailed; null: none was
    ADD COLUMN is_new_link boolean NOT NULL DEFAULT true;
