-- The trace that a mail belongs to (W3C `traceparent`), so that handing it over can be seen as its end; null when traces are off.
ALTER TABLE courier_mails ADD COLUMN trace text;
