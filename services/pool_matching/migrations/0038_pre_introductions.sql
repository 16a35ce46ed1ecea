-- Who introduced a person, so that whom an employer or its vendor brought along does not count toward the fewest that it is shown.
CREATE TABLE introductions (
    candidate text COLLATE "C" NOT NULL, -- who may never join: no row of `persons`
    vendor text NOT NULL,
    employer text NOT NULL, -- of the record; empty: of none
    first_at timestamptz NOT NULL,
    PRIMARY KEY (candidate, vendor, employer)
);

-- Which vendor held which employer's seat until when; infinity: it does.
CREATE TABLE seats (
    employer text NOT NULL,
    vendor text NOT NULL,
    last_held_at timestamptz NOT NULL,
    PRIMARY KEY (employer, vendor)
);

-- When the person first said yes, as signup tells it; null: longer ago than that was noted.
ALTER TABLE persons ADD COLUMN confirmed_at timestamptz;

-- Whom an employer brought along, itself or by the vendor of its seat, and until when the seat was held. Who was introduced after
-- they had confirmed was there already: else a vendor could tell of anybody and see a listing close.
CREATE VIEW brought_along AS
    SELECT candidate, employer, 'infinity'::timestamptz AS until
    FROM introductions JOIN persons USING (candidate) WHERE first_at <= confirmed_at
    UNION ALL
    SELECT candidate, seats.employer, last_held_at
    FROM introductions JOIN persons USING (candidate) JOIN seats USING (vendor) WHERE first_at <= confirmed_at;
