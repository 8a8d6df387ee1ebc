-- Schema 2 to 3: subjects and attachments, standard names, the kind of a run, purposes of their own for rechecks and webhook days, stalls as codes,
-- and indexes for runs that find nothing to do.

ALTER TABLE account RENAME COLUMN own_name TO owner_name;
ALTER TABLE account ADD COLUMN message_owner TEXT;
ALTER TABLE account ADD COLUMN inbox_owner TEXT;
ALTER TABLE account ADD COLUMN unnamed INTEGER NOT NULL DEFAULT 1 CHECK (unnamed IN (0, 1));
ALTER TABLE conversation RENAME COLUMN given_name TO alias;
ALTER TABLE conversation RENAME COLUMN listed_ms TO inbox_seen_ms;
ALTER TABLE conversation RENAME COLUMN listed_at_ms TO inbox_last_message_ms;
ALTER TABLE conversation RENAME COLUMN listed_text TO inbox_last_text_hash;
ALTER TABLE conversation ADD COLUMN count_extra INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN counts_gone INTEGER NOT NULL DEFAULT 0 CHECK (counts_gone IN (0, 1));
CREATE INDEX conversation_in_inbox ON conversation (account, inbox_last_message_ms) WHERE inbox_seen_ms IS NOT NULL;
ALTER TABLE conversation ADD COLUMN asked INTEGER NOT NULL DEFAULT 0 CHECK (asked IN (0, 1, 2));
ALTER TABLE conversation ADD COLUMN look_run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN erased_gone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN erased_oldest_ms INTEGER;
ALTER TABLE conversation ADD COLUMN erased_newest_ms INTEGER;
ALTER TABLE conversation ADD COLUMN floor_ms INTEGER;
ALTER TABLE conversation ADD COLUMN cut_ms INTEGER;
ALTER TABLE conversation ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0 CHECK (stopped IN (0, 1));
CREATE INDEX conversation_outside_inbox ON conversation (account, look_run) WHERE asked > 0 AND inbox_seen_ms IS NULL;
CREATE INDEX conversation_by_poll ON conversation (account, ifnull(head_tried_ms, -1)) WHERE asked > 0;
CREATE INDEX conversation_by_recheck ON conversation (account, ifnull(rechecked_ms, beginning_seen_ms)) WHERE asked > 0 AND beginning_seen_ms IS NOT NULL;
CREATE INDEX conversation_in_recheck ON conversation (account) WHERE recheck_at_ms IS NOT NULL;
CREATE INDEX conversation_by_oldest ON conversation (account, oldest_ms) WHERE asked > 0;
CREATE INDEX conversation_by_newest ON conversation (newest_ms DESC);
CREATE INDEX conversation_figures ON conversation (account, messages, asked, gone, beginning_seen_ms);
CREATE INDEX conversation_failing ON conversation (account) WHERE last_error IS NOT NULL;
CREATE INDEX conversation_short ON conversation (account) WHERE beginning_seen_ms IS NOT NULL AND served_total > messages + erased + (counts_gone - 1) * (gone + erased_gone);
CREATE INDEX conversation_stopped ON conversation (account) WHERE stopped = 1;
CREATE INDEX conversation_not_asked ON conversation (newest_ms DESC, oldest_ms) WHERE asked = 0;
CREATE INDEX conversation_by_sync ON conversation (account, (asked > 0), (inbox_seen_ms IS NULL), synced_ms);
CREATE INDEX conversation_never_fetched ON conversation (account) WHERE synced_ms IS NULL AND beginning_seen_ms IS NULL;

DROP INDEX attention_by_cause;
ALTER TABLE attention RENAME TO alert;
ALTER TABLE alert RENAME COLUMN kind TO cause;
CREATE UNIQUE INDEX alert_by_cause ON alert (ifnull(account, 0), cause);

-- migrate.rs fills these and the indexes, which have subjects and the names of attachments as well.
ALTER TABLE message ADD COLUMN subject TEXT;
ALTER TABLE message ADD COLUMN attachments TEXT;
ALTER TABLE message ADD COLUMN attachment_names TEXT;
DROP TABLE messages_fts;
CREATE VIRTUAL TABLE messages_fts USING fts5 (
  text, content = 'message_searched', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);

-- The new index has words as the program folds them as well.
DROP TABLE messages_runs;
CREATE VIRTUAL TABLE messages_cjk_fts USING fts5 (
  text, content = '', tokenize = 'ascii'
);

-- Changes are numbered in the order of the runs that made them. What was there before is history.
ALTER TABLE message RENAME COLUMN changed_run TO change;
CREATE TABLE change (
  seq           INTEGER PRIMARY KEY AUTOINCREMENT,
  messages      INTEGER NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('new', 'edited', 'gone', 'back', 'erased')),
  history       INTEGER NOT NULL CHECK (history IN (0, 1)),
  run           INTEGER NOT NULL,
  at_ms         INTEGER NOT NULL,
  conversation  INTEGER NOT NULL REFERENCES conversation(id),
  oldest_ms     INTEGER NOT NULL,
  newest_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX change_erased ON change (seq) WHERE kind = 'erased';
CREATE TEMP TABLE numbered (
  id            INTEGER PRIMARY KEY,
  seq           INTEGER NOT NULL,
  run           INTEGER NOT NULL,
  kind          TEXT NOT NULL,
  conversation  INTEGER NOT NULL,
  sent_at_ms    INTEGER NOT NULL
) STRICT;
INSERT INTO temp.numbered (id, seq, run, kind, conversation, sent_at_ms)
SELECT id, row_number() OVER (ORDER BY run, conversation, kind, sent_at_ms, id), run, kind, conversation, sent_at_ms
FROM (
  SELECT
    id, conversation, sent_at_ms, ifnull(change, 0) AS run,
    CASE
      WHEN gone_since_ms IS NOT NULL THEN 'gone'
      WHEN EXISTS (SELECT 1 FROM message_version v WHERE v.message = message.id) THEN 'edited'
      ELSE 'new'
    END AS kind
  FROM message
);
UPDATE message SET change = (SELECT seq FROM temp.numbered n WHERE n.id = message.id);
INSERT INTO change (seq, messages, kind, history, run, at_ms, conversation, oldest_ms, newest_ms)
SELECT
  max(seq), count(*), kind, 1, run,
  coalesce((SELECT started_ms FROM run r WHERE r.id = n.run), (SELECT min(started_ms) FROM run), 0),
  conversation, min(sent_at_ms), max(sent_at_ms)
FROM temp.numbered n GROUP BY run, conversation, kind ORDER BY 1;
DROP TABLE temp.numbered;

-- migrate.rs fills it.
CREATE TABLE written (
  conversation  INTEGER NOT NULL REFERENCES conversation(id),
  oldest_ms     INTEGER NOT NULL,
  newest_ms     INTEGER NOT NULL,
  lines         BLOB NOT NULL,
  PRIMARY KEY (conversation, oldest_ms)
) STRICT, WITHOUT ROWID;

-- How schema 2 worded its stalls; every other text is the error of a failed request.
CREATE TEMP TABLE stall (text TEXT PRIMARY KEY, code TEXT NOT NULL);
INSERT INTO temp.stall (code, text) VALUES
  ('repeated_page', 'the server repeated a page that is already stored'),
  ('cursor_not_down', 'the server''s cursor did not go down'),
  ('more_without_cursor', 'the server says that there is more but gives no cursor'),
  ('empty_but_more', 'the server sent an empty page and says that there is more'),
  ('empty_but_stored', 'the server says that the conversation is empty, but the archive holds messages of it'),
  ('newest_missing', 'the server''s newest page ends before messages that the archive already holds'),
  ('border_missing', 'the server''s page begins below the message that it was asked for'),
  ('no_times', 'no message on the page has a usable timestamp'),
  ('end_above_known', 'the server says that the conversation begins after messages that the archive already holds'),
  ('end_before_count', 'the server counts more messages than it gave before it ended'),
  ('one_millisecond', 'more messages share one millisecond than can be asked for at once');

CREATE TABLE gap_new (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  account       INTEGER NOT NULL REFERENCES account(id),
  conversation  INTEGER REFERENCES conversation(id),
  newer_ms      INTEGER,
  older_ms      INTEGER,
  cursor        TEXT,
  opened_ms     INTEGER NOT NULL,
  stall_code    TEXT CHECK (stall_code IN (
    'repeated_page', 'cursor_not_down', 'more_without_cursor', 'empty_but_more', 'empty_but_stored', 'newest_missing',
    'border_missing', 'no_times', 'end_above_known', 'end_before_count', 'count_differs',
    'mixed_threads', 'one_millisecond', 'request_failed')),
  stall_detail  TEXT,
  stalls        INTEGER NOT NULL DEFAULT 0,
  stalled_run   INTEGER NOT NULL DEFAULT 0,
  due_run       INTEGER NOT NULL DEFAULT 0,
  ask_at_least  INTEGER NOT NULL DEFAULT 0,
  filled        INTEGER NOT NULL DEFAULT 0,
  told          INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
  rank          INTEGER NOT NULL DEFAULT 3 CHECK (rank IN (0, 1, 2, 3)),
  CHECK ((stall_detail IS NOT NULL) = (ifnull(stall_code, '') IN ('end_before_count', 'count_differs', 'request_failed')))
) STRICT;
INSERT INTO gap_new (id, account, conversation, newer_ms, older_ms, cursor, opened_ms, stall_code, stall_detail, stalls,
  stalled_run, due_run, ask_at_least, filled)
SELECT
  g.id, g.account, g.conversation, g.newer_ms, g.older_ms, g.cursor, g.opened_ms,
  CASE WHEN g.stalled IS NOT NULL THEN ifnull(t.code, 'request_failed') END,
  CASE
    WHEN t.code = 'end_before_count' THEN ifnull((SELECT c.served_total FROM conversation c WHERE c.id = g.conversation), 0)
    WHEN t.code IS NULL THEN g.stalled
  END,
  g.stalls, g.stalled_run,
  CASE
    WHEN g.stalls = 0 THEN 0
    WHEN g.stalls <= 2 THEN g.stalled_run + 1
    ELSE g.stalled_run + 1 + (1 << min(g.stalls - 3, 9))
  END,
  g.ask_at_least, g.filled
FROM gap g LEFT JOIN temp.stall t ON t.text = g.stalled;
DELETE FROM sqlite_sequence WHERE name = 'gap_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'gap_new', seq FROM sqlite_sequence WHERE name = 'gap';
DROP TABLE gap;
ALTER TABLE gap_new RENAME TO gap;
CREATE INDEX gap_by_conversation ON gap (conversation);
CREATE INDEX gap_of_inbox ON gap (account) WHERE conversation IS NULL;
CREATE INDEX gap_stalled ON gap (newer_ms DESC) WHERE stall_code IS NOT NULL AND conversation IS NOT NULL;
CREATE INDEX gap_by_rank ON gap (account, rank, due_run, ifnull(newer_ms, 9223372036854775807) DESC) WHERE conversation IS NOT NULL;
CREATE TABLE configuration (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  digest  INTEGER NOT NULL,
  floor_ms INTEGER,
  retained_ms INTEGER
) STRICT;
CREATE TABLE hold (
  thread  TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE run_new (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  kind         TEXT NOT NULL CHECK (kind IN ('sync', 'import', 'login', 'watch', 'erase', 'restore')),
  started_ms   INTEGER NOT NULL,
  finished_ms  INTEGER,
  trigger      TEXT NOT NULL CHECK (trigger IN ('once', 'schedule', 'start')),
  outcome      TEXT CHECK (outcome IN ('complete', 'budget', 'partial', 'failed', 'no_credits', 'interrupted')),
  retry_at_ms  INTEGER
) STRICT;
INSERT INTO run_new (id, kind, started_ms, finished_ms, trigger, outcome)
SELECT
  id,
  CASE
    WHEN trigger = 'login' THEN 'login'
    WHEN EXISTS (SELECT 1 FROM import i WHERE i.run = run.id) THEN 'import'
    WHEN EXISTS (SELECT 1 FROM request q WHERE q.run = run.id AND q.endpoint LIKE 'v2/webhooks%') THEN 'watch'
    ELSE 'sync'
  END,
  started_ms, finished_ms, CASE trigger WHEN 'login' THEN 'once' ELSE trigger END, outcome
FROM run;
DELETE FROM sqlite_sequence WHERE name = 'run_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'run_new', seq FROM sqlite_sequence WHERE name = 'run';
DROP TABLE run;
ALTER TABLE run_new RENAME TO run;
CREATE INDEX run_unfinished ON run (id) WHERE finished_ms IS NULL;

CREATE TABLE request_new (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  run               INTEGER NOT NULL REFERENCES run(id),
  at_ms             INTEGER NOT NULL,
  account           INTEGER NOT NULL REFERENCES account(id),
  endpoint          TEXT NOT NULL,
  conversation      INTEGER REFERENCES conversation(id),
  purpose           TEXT NOT NULL CHECK (purpose IN (
    'head', 'gap', 'recheck', 'inbox', 'walk', 'watch', 'login', 'restored')),
  asked             INTEGER NOT NULL,
  returned          INTEGER,
  new_messages      INTEGER NOT NULL DEFAULT 0,
  changed_messages  INTEGER NOT NULL DEFAULT 0,
  credits_reserved  INTEGER NOT NULL,
  credits_spent     INTEGER,
  http_status       INTEGER,
  error             TEXT,
  stall_code        TEXT CHECK (stall_code IN (
    'repeated_page', 'cursor_not_down', 'more_without_cursor', 'empty_but_more', 'empty_but_stored', 'newest_missing',
    'border_missing', 'no_times', 'end_above_known', 'end_before_count', 'count_differs',
    'mixed_threads', 'one_millisecond', 'request_failed'))
) STRICT;
INSERT INTO request_new (id, run, at_ms, account, endpoint, conversation, purpose, asked, returned, new_messages, changed_messages,
  credits_reserved, credits_spent, http_status, error, stall_code)
SELECT
  q.id, q.run, q.at_ms, q.account, q.endpoint, q.conversation,
  CASE WHEN q.endpoint LIKE 'v2/webhooks%' THEN 'watch' ELSE q.purpose END,
  q.asked, q.returned, q.new_messages, q.changed_messages, q.credits_reserved, q.credits_spent, q.http_status, q.error, t.code
FROM request q LEFT JOIN temp.stall t ON t.text = q.error;
DELETE FROM sqlite_sequence WHERE name = 'request_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'request_new', seq FROM sqlite_sequence WHERE name = 'request';
DROP TABLE request;
ALTER TABLE request_new RENAME TO request;
CREATE INDEX request_by_time ON request (at_ms, credits_spent, credits_reserved);
CREATE INDEX request_by_run ON request (run);
CREATE INDEX request_by_account ON request (account);
-- migrate.rs fills it.
CREATE TABLE spent (
  day_ms        INTEGER NOT NULL,
  account       INTEGER NOT NULL REFERENCES account(id),
  credits       INTEGER NOT NULL,
  PRIMARY KEY (day_ms, account)
) STRICT, WITHOUT ROWID;

DROP TABLE temp.stall;

-- What tells a change that another one has taken the place of, and the sinks of notifications.
CREATE TABLE change_before (
  seq           INTEGER PRIMARY KEY,
  message       INTEGER NOT NULL REFERENCES message(id) ON DELETE CASCADE,
  version       INTEGER
) STRICT;
CREATE INDEX change_before_by_message ON change_before (message);

CREATE TABLE identity (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  archive  TEXT NOT NULL
) STRICT;

CREATE TABLE notice (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms    INTEGER NOT NULL,
  kind     TEXT NOT NULL CHECK (kind IN ('account', 'key', 'credits', 'unreachable', 'budget', 'gap')),
  account  TEXT,
  message  TEXT NOT NULL,
  about    TEXT
) STRICT;
CREATE INDEX notice_about ON notice (kind, about) WHERE about IS NOT NULL;

CREATE TABLE sink (
  name              TEXT PRIMARY KEY,
  target            INTEGER NOT NULL,
  change            INTEGER NOT NULL,
  notice            INTEGER NOT NULL,
  batch_to          INTEGER,
  batch_form        TEXT CHECK (batch_form IN ('single', 'digest', 'summary')),
  attempts          INTEGER NOT NULL DEFAULT 0,
  failing_since_ms  INTEGER,
  next_try_ms       INTEGER,
  last_error        TEXT,
  ended_ms          INTEGER,
  waiting           INTEGER NOT NULL DEFAULT 0,
  delivered         INTEGER NOT NULL DEFAULT 0,
  delivered_ms      INTEGER,
  CHECK ((batch_to IS NULL) = (batch_form IS NULL))
) STRICT, WITHOUT ROWID;

-- Erasures.
CREATE TABLE erasure_key (
  id   INTEGER PRIMARY KEY,
  key  TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE erasure (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  run           INTEGER NOT NULL REFERENCES run(id),
  at_ms         INTEGER NOT NULL,
  selector      TEXT NOT NULL,
  messages      INTEGER NOT NULL,
  reason        TEXT,
  finished_ms   INTEGER
) STRICT;
CREATE INDEX erasure_unfinished ON erasure (id) WHERE finished_ms IS NULL;
CREATE TABLE erased (
  id            INTEGER PRIMARY KEY,
  erasure       INTEGER NOT NULL REFERENCES erasure(id),
  key           INTEGER NOT NULL REFERENCES erasure_key(id),
  conversation  INTEGER NOT NULL REFERENCES conversation(id),
  sent_at_ms    INTEGER NOT NULL,
  source        TEXT CHECK (source IN ('export', 'outside')),
  gone_since_ms INTEGER,
  urn_mark      INTEGER,
  text_mark     INTEGER NOT NULL,
  place_mark    INTEGER NOT NULL,
  change        INTEGER NOT NULL
) STRICT;
CREATE INDEX erased_by_time ON erased (conversation, sent_at_ms);
CREATE INDEX erased_by_urn ON erased (conversation, urn_mark) WHERE urn_mark IS NOT NULL;
CREATE TABLE erased_item (
  mark     INTEGER PRIMARY KEY,
  key      INTEGER NOT NULL REFERENCES erasure_key(id),
  erasure  INTEGER NOT NULL REFERENCES erasure(id)
) STRICT;
