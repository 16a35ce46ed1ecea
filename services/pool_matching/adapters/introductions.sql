-- name: hold_erasures
SELECT pg_advisory_xact_lock_shared($1)

-- name: note_introductions
INSERT INTO introductions AS kept (candidate, vendor, employer, first_at)
SELECT candidate, vendor, employer, min(first_at)
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS new (candidate, vendor, employer, first_at)
WHERE NOT EXISTS (SELECT FROM persons WHERE persons.candidate = new.candidate AND profile_version = $5)
GROUP BY candidate, vendor, employer ORDER BY candidate COLLATE "C", vendor, employer
ON CONFLICT (candidate, vendor, employer) DO UPDATE SET first_at = excluded.first_at WHERE kept.first_at > excluded.first_at

-- name: note_confirmed
INSERT INTO persons (candidate, confirmed_at)
SELECT candidate, min(at) FROM unnest($1::text[], $2::timestamptz[]) AS new (candidate, at)
GROUP BY candidate ORDER BY candidate COLLATE "C"
ON CONFLICT (candidate) DO UPDATE SET confirmed_at = least(persons.confirmed_at, excluded.confirmed_at)
WHERE persons.profile_version < $3

-- name: give_up_seats
UPDATE seats SET last_held_at = $3
FROM unnest($1::text[], $2::text[]) AS now (employer, vendor)
WHERE seats.employer = now.employer AND seats.vendor IS DISTINCT FROM now.vendor AND last_held_at = 'infinity'

-- name: take_seats
INSERT INTO seats (employer, vendor, last_held_at)
SELECT employer, vendor, 'infinity' FROM unnest($1::text[], $2::text[]) AS now (employer, vendor)
WHERE vendor IS NOT NULL ORDER BY employer
ON CONFLICT (employer, vendor) DO UPDATE SET last_held_at = 'infinity'

-- name: introduced
-- Who is known, and had confirmed before $3. Of two who ask at once at a new tick the second changes nothing, and reads the first one's.
INSERT INTO introduced_told AS told (employer, tick, people)
SELECT $1, $2, count(DISTINCT candidate)
FROM introductions JOIN persons USING (candidate)
WHERE employer = $1 AND employer <> '' AND first_at <= confirmed_at AND confirmed_at < $3 AND profile_version < $4
ON CONFLICT (employer) DO UPDATE SET tick = excluded.tick, people = excluded.people WHERE told.tick < excluded.tick

-- name: introduced_told
SELECT people FROM introduced_told WHERE employer = $1 AND tick >= $2
