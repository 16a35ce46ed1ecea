-- name: next_major
SELECT major FROM unnest($2::text[]) AS major
WHERE NOT EXISTS (SELECT FROM history_kept WHERE history_kept.month = $1 AND history_kept.major = major.major)
ORDER BY major LIMIT 1

-- name: note_major
INSERT INTO history_kept (month, major) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: keep_history
-- Of the work of one major group ($2 to before $3), by occupation and major group, by state and over all. Whoever of the employers
-- is left out, a hundred messages of five others stay, of which no one sent more than half: else who adds messages of its own, or
-- knows its own, would read another's. The same of the days, with which nothing of what was never sent is counted.
INSERT INTO history (occupation, state, month, messages, sent_percent, days_median, days_nine_of_ten)
SELECT occupation, state, $1::date, messages - messages % $6::integer, round(sent * 20.0 / messages) * 5,
    CASE WHEN days_are_many THEN days_median END, CASE WHEN days_are_many THEN days_nine_of_ten END
FROM (
    SELECT occupation, state, count(*) AS messages, count(days) AS sent,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY days) AS days_median,
        percentile_disc(0.9) WITHIN GROUP (ORDER BY days) AS days_nine_of_ten,
        array_agg(of_employer ORDER BY of_employer DESC) FILTER (WHERE is_first) AS wrote,
        array_agg(sent_of_employer ORDER BY sent_of_employer DESC) FILTER (WHERE is_first) AS got_out
    FROM (
        SELECT occupation, state, days, count(*) OVER theirs AS of_employer, count(days) OVER theirs AS sent_of_employer,
            row_number() OVER theirs = 1 AS is_first
        FROM (
            SELECT code.occupation, place.state, employer,
                CASE WHEN outreach.state IN ('delivered', 'bounced', 'doubtful')
                    THEN (sent_at AT TIME ZONE 'UTC')::date - (submitted_at AT TIME ZONE 'UTC')::date END AS days
            FROM outreach
            CROSS JOIN LATERAL (SELECT outreach.occupation UNION SELECT left(outreach.occupation, 3) || '0000') AS code (occupation)
            CROSS JOIN LATERAL (SELECT '' UNION SELECT job_state WHERE job_state IS NOT NULL) AS place (state)
            WHERE outreach.occupation >= $2 AND outreach.occupation < $3 AND submitted_at >= $4 AND submitted_at < $5
        ) AS written
        WINDOW theirs AS (PARTITION BY occupation, state, employer)
    ) AS counted
    GROUP BY occupation, state
) AS figures
CROSS JOIN LATERAL (SELECT
    messages - wrote[1] >= $6 AND cardinality(wrote) > $7 AND wrote[2] * 2 <= messages - wrote[1] AS is_told,
    sent - got_out[1] >= $6 AND got_out[$7 + 1] > 0 AND got_out[2] * 2 <= sent - got_out[1] AS days_are_many
) AS rule
WHERE is_told
ON CONFLICT DO NOTHING

-- name: history
SELECT occupation, state, month, messages, sent_percent, days_median, days_nine_of_ten FROM history
WHERE occupation = $1 AND state = $2 ORDER BY month DESC LIMIT 1
