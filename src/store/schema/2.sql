-- Schema 1 to 2: LinkedIn's data export as a source, logins in the ledger, rechecks, the vendor's balance, webhooks,
-- alerts, and a second full-text index, which schema 3 replaces.

ALTER TABLE message ADD COLUMN source TEXT CHECK (source IN ('export'));
ALTER TABLE message ADD COLUMN changed_run INTEGER;
ALTER TABLE conversation ADD COLUMN news_at_least INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN recheck_at_ms INTEGER;
ALTER TABLE conversation ADD COLUMN rechecked_ms INTEGER;
ALTER TABLE gap ADD COLUMN filled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inbox ADD COLUMN wanted TEXT;

-- Messages whose sender a later answer described differently were still counted for the first description.
DELETE FROM participant;
INSERT INTO participant (conversation, person, messages)
SELECT conversation, sender, count(*) FROM message GROUP BY conversation, sender;

CREATE TABLE import (
  id            INTEGER PRIMARY KEY,
  run           INTEGER NOT NULL REFERENCES run(id),
  account       INTEGER NOT NULL REFERENCES account(id),
  source        TEXT NOT NULL,
  file          TEXT NOT NULL,
  rows          INTEGER NOT NULL DEFAULT 0,
  new_messages  INTEGER NOT NULL DEFAULT 0,
  odd_rows      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE import_oddity (
  id       INTEGER PRIMARY KEY,
  import   INTEGER NOT NULL REFERENCES import(id),
  line     INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  content  TEXT NOT NULL
) STRICT;
CREATE TABLE export_cover (
  id            INTEGER PRIMARY KEY,
  import        INTEGER NOT NULL REFERENCES import(id),
  conversation  INTEGER NOT NULL REFERENCES conversation(id),
  oldest_ms     INTEGER NOT NULL,
  newest_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX export_cover_by_conversation ON export_cover (conversation);
CREATE TABLE balance (
  id       INTEGER PRIMARY KEY,
  run      INTEGER NOT NULL REFERENCES run(id),
  at_ms    INTEGER NOT NULL,
  moment   TEXT NOT NULL CHECK (moment IN ('before', 'after')),
  credits  REAL NOT NULL
) STRICT;
CREATE INDEX balance_by_run ON balance (run);
CREATE TABLE event_feed (
  account    INTEGER PRIMARY KEY REFERENCES account(id),
  webhook    TEXT NOT NULL,
  position   TEXT,
  polled_ms  INTEGER
) STRICT;
CREATE TABLE attention (
  id          INTEGER PRIMARY KEY,
  account     INTEGER REFERENCES account(id),
  kind        TEXT NOT NULL CHECK (kind IN ('account', 'key', 'credits')),
  since_ms    INTEGER NOT NULL,
  message     TEXT NOT NULL,
  credential  TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX attention_by_cause ON attention (ifnull(account, 0), kind);
CREATE TABLE failure (
  kind   TEXT PRIMARY KEY,
  count  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE messages_runs USING fts5 (
  text, content = '', tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);

-- The CHECK of `trigger` gains 'login'. AUTOINCREMENT continues after the highest number ever given.
CREATE TABLE run_new (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  started_ms   INTEGER NOT NULL,
  finished_ms  INTEGER,
  trigger      TEXT NOT NULL CHECK (trigger IN ('once', 'schedule', 'start', 'login')),
  outcome      TEXT CHECK (outcome IN ('complete', 'budget', 'partial', 'failed', 'no_credits', 'interrupted'))
) STRICT;
INSERT INTO run_new (id, started_ms, finished_ms, trigger, outcome)
SELECT id, started_ms, finished_ms, trigger, outcome FROM run;
DELETE FROM sqlite_sequence WHERE name = 'run_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'run_new', seq FROM sqlite_sequence WHERE name = 'run';
DROP TABLE run;
ALTER TABLE run_new RENAME TO run;

-- The CHECK of `purpose` gains 'login'.
CREATE TABLE request_new (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  run               INTEGER NOT NULL REFERENCES run(id),
  at_ms             INTEGER NOT NULL,
  account           INTEGER NOT NULL REFERENCES account(id),
  endpoint          TEXT NOT NULL,
  conversation      INTEGER REFERENCES conversation(id),
  purpose           TEXT NOT NULL CHECK (purpose IN ('head', 'gap', 'inbox', 'walk', 'login')),
  asked             INTEGER NOT NULL,
  returned          INTEGER,
  new_messages      INTEGER NOT NULL DEFAULT 0,
  changed_messages  INTEGER NOT NULL DEFAULT 0,
  credits_reserved  INTEGER NOT NULL,
  credits_spent     INTEGER,
  http_status       INTEGER,
  error             TEXT
) STRICT;
INSERT INTO request_new (id, run, at_ms, account, endpoint, conversation, purpose, asked, returned, new_messages, changed_messages,
  credits_reserved, credits_spent, http_status, error)
SELECT id, run, at_ms, account, endpoint, conversation, purpose, asked, returned, new_messages, changed_messages,
  credits_reserved, credits_spent, http_status, error FROM request;
DELETE FROM sqlite_sequence WHERE name = 'request_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'request_new', seq FROM sqlite_sequence WHERE name = 'request';
DROP TABLE request;
ALTER TABLE request_new RENAME TO request;
CREATE INDEX request_by_time ON request (at_ms, credits_spent, credits_reserved);
CREATE INDEX request_by_run ON request (run);
