-- name: forget_file
DELETE FROM title_files WHERE source = $1 RETURNING titles;

-- name: note_file
INSERT INTO title_files (source, loaded_at, titles, notice) VALUES ($1, $2, $3, $4) RETURNING version;

-- name: list_files
SELECT source, version, loaded_at, titles, notice FROM title_files ORDER BY source;

-- name: read_titles
SELECT source, title, socs FROM loaded_titles WHERE (source, title) > ($1, $2) ORDER BY source, title LIMIT $3;
