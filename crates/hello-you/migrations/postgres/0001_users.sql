-- Users by name. `collate "C"` compares bytes: pages come in the same order as from SQLite, and no index breaks when
-- a new libc sorts differently.
create table users (
    username text collate "C" primary key check (char_length(username) between 1 and 50),
    date_of_birth date not null check (date_of_birth between date '0001-01-01' and date '9999-12-31')
);

-- One row, kept fresh by the instances, so that replica lag is measured honestly while nobody writes.
-- It is updated every few seconds for years: room on its page lets each update stay there (HOT, no index entry), and
-- autovacuum comes by its fixed threshold, since a share of one row says nothing.
create table heartbeat (
    id smallint primary key check (id = 1),
    at timestamptz not null
) with (
    fillfactor = 10,
    autovacuum_vacuum_threshold = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_analyze_threshold = 1000
);
insert into heartbeat (id, at) values (1, now());

-- The highest timeline seen of each database cluster: what fences an old primary that comes back.
create table epoch (
    -- An unsigned 64-bit number in decimal; bigint would be too small for it.
    system_identifier text primary key
        check (system_identifier ~ '^(0|[1-9][0-9]{0,19})$' and system_identifier::numeric <= 18446744073709551615),
    -- An unsigned 32-bit number.
    timeline bigint not null check (timeline between 1 and 4294967295),
    seen_at timestamptz not null default now()
);
