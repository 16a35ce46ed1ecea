-- An operator who looks into a complaint asks by person.
CREATE INDEX outreach_by_candidate ON outreach (candidate, submitted_at);
