-- So that the networks of the pages' requests are found by age among the addresses.
CREATE INDEX page_requests_of_origins ON page_requests (asked_at) WHERE page IN ('join_from', 'sign_in_from');
