-- What the version before wrote meanwhile does not name the text that was signed: each receipt does. A reminder of 30 days
-- before the end, or of 7, is due where that moment lies ahead.
UPDATE consents SET
    agreement = signed.notice ->> 'version',
    language = signed.notice ->> 'language',
    text_asked = greatest(consents.text_asked, signed.notice ->> 'version'),
    remind_at = CASE
        WHEN purposes = '{}' THEN NULL
        WHEN ends_at - interval '30 days' > now() THEN ends_at - interval '30 days'
        WHEN ends_at - interval '7 days' > now() THEN ends_at - interval '7 days'
    END
FROM (SELECT id, document -> 'record' -> 'notice' AS notice FROM receipts) AS signed
WHERE signed.id = consents.receipt AND closed_at IS NULL
    AND (agreement IS DISTINCT FROM signed.notice ->> 'version' OR language IS DISTINCT FROM signed.notice ->> 'language');
