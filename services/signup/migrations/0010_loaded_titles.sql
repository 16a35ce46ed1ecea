-- Titles that an operator loaded from a published list; every process of signup reads them anew when a version is new to it.
CREATE TABLE title_files (
    source text PRIMARY KEY,                     -- direct-match, onet
    version bigint GENERATED ALWAYS AS IDENTITY,
    loaded_at timestamptz NOT NULL,
    titles integer NOT NULL,
    notice text NOT NULL                         -- what whoever shows something made from it must say
);

CREATE TABLE loaded_titles (
    source text NOT NULL REFERENCES title_files ON DELETE CASCADE,
    title text NOT NULL,
    socs text NOT NULL,                          -- one code, or several with a space between them
    PRIMARY KEY (source, title)
);
