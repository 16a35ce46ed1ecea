-- Who is to be invited stands in `work`, as everything that is to be done does. After the release: what the version before wrote
-- meanwhile is moved too.
INSERT INTO work (queue, key, lane, run_at, payload)
SELECT 'invitations', candidate::text, CASE WHEN by_join THEN 0 ELSE 1 END, asked_at, json_build_object('asked_at', asked_at)
FROM to_invite
ON CONFLICT DO NOTHING;
DROP TABLE to_invite;
