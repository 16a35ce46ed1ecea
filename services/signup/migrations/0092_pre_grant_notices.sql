-- What a notice asks about what its person allows: which question, when that ends, in which language they read.
ALTER TABLE courier_mails ADD COLUMN grant_notice jsonb;
