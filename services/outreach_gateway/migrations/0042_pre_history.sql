-- What became of messages, month by month: of which kind of work, in which state, and no person's or employer's own.
-- `month` is its first day; `state` is empty where all are taken together.
ALTER TABLE outreach ADD COLUMN occupation text COLLATE "C", ADD COLUMN job_state text;
CREATE TABLE history (
    occupation text COLLATE "C" NOT NULL,
    state text NOT NULL,
    month date NOT NULL,
    messages integer NOT NULL,
    sent_percent integer NOT NULL,
    days_median integer,
    days_nine_of_ten integer,
    PRIMARY KEY (occupation, state, month)
);
CREATE TABLE history_kept (
    month date NOT NULL,
    major text NOT NULL,
    PRIMARY KEY (month, major)
);
