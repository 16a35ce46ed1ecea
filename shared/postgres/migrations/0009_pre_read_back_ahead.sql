-- What a topic has newer than its owner's rows, or of no row at all: of the pass under way, and of the last that was over.
ALTER TABLE read_back_passes ADD COLUMN ahead bigint NOT NULL DEFAULT 0;
ALTER TABLE read_backs ADD COLUMN ahead bigint NOT NULL DEFAULT 0;
