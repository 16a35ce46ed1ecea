-- name: read_identities
SELECT candidate::text, version, identity_key, messages_key, mail, name, phones, public_key, private_key
FROM identities
WHERE candidate = ANY($1::uuid[])
