-- The ids of erased people: nothing that is kept of a person by their id comes back, in whatever order it is heard.
CREATE TABLE erased (
    candidate uuid PRIMARY KEY
);
