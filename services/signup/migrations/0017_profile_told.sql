-- When a person last changed the profile that they had kept, untold yet, and when they were told of such a change last.
ALTER TABLE candidates ADD COLUMN profile_changed_at timestamptz, ADD COLUMN profile_told_at timestamptz;
CREATE INDEX candidates_to_tell ON candidates (profile_changed_at) WHERE profile_changed_at IS NOT NULL;
