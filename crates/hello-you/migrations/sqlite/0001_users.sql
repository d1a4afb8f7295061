-- Users by name. `binary` compares bytes, as `collate "C"` does in PostgreSQL; without a rowid the names are the
-- table itself, so that a look-up goes through one tree.
create table users (
    username text not null primary key collate binary check (length(username) between 1 and 50),
    -- Days since 1970-01-01, from 0001-01-01 to 9999-12-31.
    date_of_birth integer not null check (date_of_birth between -719162 and 2932896)
) strict, without rowid;
