-- The archive. A new file is created by running this script; an older one is brought here by migrations that
-- never delete. The views at the end are the stable face: they may grow, but nothing in them is renamed or removed.
-- Times are UTC: `_ms` are milliseconds since the Unix epoch, `_at` in the views are ISO 8601 texts.

PRAGMA application_id = 0x41524348; -- "ARCH"
PRAGMA user_version = 1;

-- A LinkedIn account whose conversations are archived.
CREATE TABLE account (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE,                 -- as the configuration calls it
  own_name TEXT                               -- the owner's display name, where configured
) STRICT;

-- A sender as an account's answers name them. One human is several rows when the API describes them in several ways.
CREATE TABLE person (
  id           INTEGER PRIMARY KEY,
  account      INTEGER NOT NULL REFERENCES account(id), -- whose answers name this sender
  name         TEXT NOT NULL,                 -- display name; empty when the API gave none
  first_name   TEXT,                          -- null: not served
  last_name    TEXT,                          -- likewise
  profile_url  TEXT,                          -- likewise; v2 serves it
  is_me        INTEGER CHECK (is_me IN (0, 1)) -- whether this is the account's owner; null = unknown
) STRICT;
CREATE UNIQUE INDEX person_by_identity ON person
  (account, name, ifnull(first_name, char(0)), ifnull(last_name, char(0)), ifnull(profile_url, char(0)));

-- A conversation, also one that is known only by the profile it is held with until the first answer names it.
CREATE TABLE conversation (
  id                    INTEGER PRIMARY KEY,
  account               INTEGER NOT NULL REFERENCES account(id), -- whose mailbox it is in
  thread                TEXT,                 -- the thread's own id, "2-…" without padding; null until known
  urn                   TEXT,                 -- the name the API uses; null until known
  profile_url           TEXT,                 -- the other side's page, where configured or served
  headline              TEXT,                 -- the other side's, as the inbox last served it
  picture_url           TEXT,                 -- likewise
  is_group              INTEGER CHECK (is_group IN (0, 1)), -- whether it has several other sides; null = unknown
  discovered            INTEGER NOT NULL DEFAULT 0 CHECK (discovered IN (0, 1)), -- 1: found in the inbox, not configured
  given_name            TEXT,                 -- what the configuration calls it
  name                  TEXT,                 -- the other side's name, as served or derived
  messages              INTEGER NOT NULL DEFAULT 0, -- how many are stored, gone ones included
  gone                  INTEGER NOT NULL DEFAULT 0, -- messages that the API no longer returns
  oldest_ms             INTEGER,              -- of the messages stored
  newest_ms             INTEGER,              -- likewise
  beginning_seen_ms     INTEGER,              -- when the documented end was seen; null: not yet
  head_tried_ms         INTEGER,              -- when the newest page was last asked for, with or without an answer
  head_tried_run        INTEGER NOT NULL DEFAULT 0, -- in which run
  silent_looks          INTEGER NOT NULL DEFAULT 0, -- looks at the newest page in a row that found nothing new
  listed_ms             INTEGER,              -- when the inbox last showed it; null: never
  listed_at_ms          INTEGER,              -- the time of the last message, as the inbox last said
  listed_text           INTEGER,              -- a hash of its text, as the inbox last said
  synced_ms             INTEGER,              -- when any page last came
  unread                INTEGER,              -- as last served
  last_seen_ms          INTEGER,              -- as last served
  served_total          INTEGER,              -- how many messages the API last counted, where it does
  last_error            TEXT,                 -- why the last request failed; null when it did not
  UNIQUE (account, thread)
) STRICT;

-- Under which names a conversation was asked for: a profile's URL is looked up once and remembered here.
CREATE TABLE address (
  account       INTEGER NOT NULL REFERENCES account(id), -- whose mailbox was asked
  profile_url   TEXT NOT NULL,                -- as it was asked for
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- what it led to
  PRIMARY KEY (account, profile_url)
) STRICT, WITHOUT ROWID;

-- Who wrote how much in which conversation.
CREATE TABLE participant (
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- where
  person        INTEGER NOT NULL REFERENCES person(id), -- who
  messages      INTEGER NOT NULL DEFAULT 0,   -- how many of the messages stored
  PRIMARY KEY (conversation, person)
) STRICT, WITHOUT ROWID;

-- Message types as served.
CREATE TABLE kind (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE                  -- word for word; empty when the API gave none
) STRICT;

-- What the ids of many messages share: an id is prefix, the message's own key, suffix.
CREATE TABLE urn_shape (
  id      INTEGER PRIMARY KEY,
  prefix  TEXT NOT NULL,                      -- up to and including the "2-": the mailbox
  suffix  TEXT NOT NULL,                      -- the thread's own id and the closing bracket
  UNIQUE (prefix, suffix)
) STRICT;

-- The form of served JSON that many messages share: control characters stand where the columns' values go.
CREATE TABLE template (
  id    INTEGER PRIMARY KEY,
  json  TEXT NOT NULL UNIQUE                  -- the served object with a mark for each value
) STRICT;

-- A message in its latest version. Rows are never deleted, and what an update replaces goes to message_version.
-- The id grows with the time of sending (one step is 1024 ms; where a step is taken, the next free one): newest
-- first is then simply id descending, which full-text search answers without sorting.
CREATE TABLE message (
  id            INTEGER PRIMARY KEY,
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- where
  sent_at_ms    INTEGER NOT NULL,             -- as served, or derived where the served one is missing or absurd
  sender        INTEGER NOT NULL REFERENCES person(id), -- who
  kind          INTEGER NOT NULL REFERENCES kind(id), -- its type
  template      INTEGER NOT NULL REFERENCES template(id), -- the form of its JSON
  urn_shape     INTEGER REFERENCES urn_shape(id), -- null: the API gave no id
  urn_probe     INTEGER,                      -- the creation time in the id, or a hash of it: to find it by
  urn_key       TEXT,                         -- the id's own part
  versions      INTEGER NOT NULL DEFAULT 1,   -- 1 and the number of edits seen
  gone_since_ms INTEGER,                      -- when the API was first seen not to return it any more
  derived_time  INTEGER CHECK (derived_time = 1), -- 1: sent_at_ms is derived; else null
  text          TEXT NOT NULL,                -- as last served; may be empty
  extra         TEXT                          -- served members that no column models, word for word; usually null
) STRICT;
CREATE INDEX message_by_time ON message (conversation, sent_at_ms);
CREATE INDEX message_by_urn ON message (conversation, urn_probe) WHERE urn_probe IS NOT NULL;

-- What a message was before an update: an edit, or a change in what else was served with it.
CREATE TABLE message_version (
  id            INTEGER PRIMARY KEY,
  message       INTEGER NOT NULL REFERENCES message(id), -- what of
  replaced_ms   INTEGER NOT NULL,             -- when the newer one was first seen
  edited        INTEGER NOT NULL CHECK (edited IN (0, 1)), -- whether text or type changed
  sent_at_ms    INTEGER NOT NULL,             -- as then served; the same holds for what follows
  sender        INTEGER NOT NULL REFERENCES person(id), -- who
  kind          INTEGER NOT NULL REFERENCES kind(id), -- its type
  template      INTEGER NOT NULL REFERENCES template(id), -- the form of its JSON
  text          TEXT NOT NULL,                -- its text
  extra         TEXT                          -- what no column models
) STRICT;
CREATE INDEX message_version_by_message ON message_version (message);

-- What is known of an account's inbox, whose rows are conversations at the time of their last message.
CREATE TABLE inbox (
  account            INTEGER PRIMARY KEY REFERENCES account(id), -- whose
  newest_ms          INTEGER,                 -- the most recent activity seen
  oldest_ms          INTEGER,                 -- the least recent
  beginning_seen_ms  INTEGER,                 -- when the documented end was seen; null: not yet
  tried_ms           INTEGER,                 -- when its first page was last asked for, with or without an answer
  synced_ms          INTEGER,                 -- when any page of it last came
  last_error         TEXT                     -- why the last request failed; null when it did not
) STRICT;

-- A stretch of a conversation in which messages may be missing, or of an inbox in which conversations may be; edges
-- included.
CREATE TABLE gap (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  account       INTEGER NOT NULL REFERENCES account(id), -- whose mailbox
  conversation  INTEGER REFERENCES conversation(id), -- null: the account's inbox
  newer_ms      INTEGER,                      -- the oldest message above; null: the gap reaches up to now
  older_ms      INTEGER,                      -- the newest message below; null: it reaches down to the beginning
  cursor        TEXT,                         -- fetches from the newer edge downward, as the server gave it
  opened_ms     INTEGER NOT NULL,             -- when something was first known to be missing here
  stalled       TEXT,                         -- why the last attempt came to nothing
  stalls        INTEGER NOT NULL DEFAULT 0,   -- how many did in a row
  stalled_run   INTEGER NOT NULL DEFAULT 0,   -- the run of the last one
  ask_at_least  INTEGER NOT NULL DEFAULT 0    -- fewer messages at once are known not to get further
) STRICT;
CREATE INDEX gap_by_conversation ON gap (conversation);
CREATE INDEX gap_of_inbox ON gap (account) WHERE conversation IS NULL;

-- One run of the engine.
CREATE TABLE run (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  started_ms   INTEGER NOT NULL,              -- when it began
  finished_ms  INTEGER,                       -- when it ended; null: it has not, or was cut short
  trigger      TEXT NOT NULL CHECK (trigger IN ('once', 'schedule', 'start')), -- what set it off
  outcome      TEXT CHECK (outcome IN ('complete', 'budget', 'partial', 'failed', 'no_credits', 'interrupted')) -- how it ended; null: it has not
) STRICT;

-- The ledger: every request, written before it is sent.
CREATE TABLE request (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  run               INTEGER NOT NULL REFERENCES run(id), -- which made it
  at_ms             INTEGER NOT NULL,         -- when its credits were reserved, just before it was sent
  account           INTEGER NOT NULL REFERENCES account(id), -- with whose access
  endpoint          TEXT NOT NULL,            -- what was asked, such as v1/messages/conversation
  conversation      INTEGER REFERENCES conversation(id), -- which it was about; null: an inbox
  purpose           TEXT NOT NULL CHECK (purpose IN ('head', 'gap', 'inbox', 'walk')), -- of the inbox: a look, or a walk down
  asked             INTEGER NOT NULL,         -- results asked for
  returned          INTEGER,                  -- results that came
  new_messages      INTEGER NOT NULL DEFAULT 0, -- of those that came
  changed_messages  INTEGER NOT NULL DEFAULT 0, -- of those that came: edits
  credits_reserved  INTEGER NOT NULL,         -- the most that it could cost
  credits_spent     INTEGER,                  -- null: not settled, the reservation counts as spent
  http_status       INTEGER,                  -- null: no answer came
  error             TEXT                      -- what was wrong; null: nothing
) STRICT;
CREATE INDEX request_by_time ON request (at_ms, credits_spent, credits_reserved);
CREATE INDEX request_by_run ON request (run);

-- Items of an answer that are no messages at all: kept aside, never dropped.
CREATE TABLE quarantine (
  id            INTEGER PRIMARY KEY,
  conversation  INTEGER REFERENCES conversation(id), -- null: an answer of the inbox
  request       INTEGER NOT NULL REFERENCES request(id), -- which brought it
  reason        TEXT NOT NULL,                -- why it is no message
  json          TEXT NOT NULL                 -- the item word for word
) STRICT;

-- Full text of the latest versions. The rows are indexed in batches shortly after they are stored, in the order of
-- their ids; messages_unindexed lists those still to come.
CREATE VIRTUAL TABLE messages_fts USING fts5 (
  text, content = 'message', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE messages_unindexed (
  id  INTEGER PRIMARY KEY                     -- of the message
) STRICT;

CREATE VIEW message_log AS
SELECT
  a.name AS account,
  c.urn AS conversation_id,
  coalesce(c.given_name, c.name) AS conversation,
  u.prefix || m.urn_key || u.suffix AS entity_urn,
  m.sent_at_ms,
  strftime('%Y-%m-%dT%H:%M:%fZ', m.sent_at_ms / 1000.0, 'unixepoch') AS sent_at,
  p.name AS sender,
  p.is_me AS from_me,
  k.name AS message_type,
  m.text,
  m.versions,
  strftime('%Y-%m-%dT%H:%M:%fZ', m.gone_since_ms / 1000.0, 'unixepoch') AS gone_since,
  replace(replace(replace(replace(replace(replace(replace(replace(replace(t.json,
    char(2), m.sent_at_ms),
    char(3), json_quote(p.name)),
    char(4), json_quote(ifnull(p.first_name, ''))),
    char(5), json_quote(ifnull(p.last_name, ''))),
    char(6), json_quote(ifnull(p.profile_url, ''))),
    char(7), json_quote(k.name)),
    char(8), json_quote(ifnull(u.prefix || m.urn_key || u.suffix, ''))),
    char(14), ifnull(m.extra, '')),
    char(1), json_quote(m.text)) AS raw,
  m.id AS message_id
FROM message m
JOIN conversation c ON c.id = m.conversation
JOIN account a ON a.id = c.account
JOIN person p ON p.id = m.sender
JOIN kind k ON k.id = m.kind
JOIN template t ON t.id = m.template
LEFT JOIN urn_shape u ON u.id = m.urn_shape;

CREATE VIEW conversation_log AS
SELECT
  a.name AS account,
  c.urn AS conversation_id,
  c.profile_url,
  coalesce(c.given_name, c.name) AS name,
  c.messages,
  strftime('%Y-%m-%dT%H:%M:%fZ', c.oldest_ms / 1000.0, 'unixepoch') AS oldest_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', c.newest_ms / 1000.0, 'unixepoch') AS newest_at,
  (SELECT count(*) FROM gap g WHERE g.conversation = c.id) AS gaps,
  CASE WHEN c.beginning_seen_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id)
       THEN 1 ELSE 0 END AS complete,
  strftime('%Y-%m-%dT%H:%M:%fZ', c.synced_ms / 1000.0, 'unixepoch') AS last_synced_at,
  c.unread,
  c.last_error,
  c.headline,
  c.picture_url
FROM conversation c
JOIN account a ON a.id = c.account;

CREATE VIEW gap_log AS
SELECT
  c.urn AS conversation_id,
  g.newer_ms,
  g.older_ms,
  strftime('%Y-%m-%dT%H:%M:%fZ', g.opened_ms / 1000.0, 'unixepoch') AS opened_at,
  g.stalled,
  a.name AS account,
  CASE WHEN g.conversation IS NULL THEN 'inbox' ELSE coalesce(c.given_name, c.name, c.profile_url) END AS conversation
FROM gap g
JOIN account a ON a.id = g.account
LEFT JOIN conversation c ON c.id = g.conversation;

CREATE VIEW run_log AS
SELECT
  r.id AS run_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.started_ms / 1000.0, 'unixepoch') AS started_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.finished_ms / 1000.0, 'unixepoch') AS finished_at,
  r.trigger,
  r.outcome,
  count(q.id) AS requests,
  coalesce(sum(q.new_messages), 0) AS new_messages,
  coalesce(sum(q.credits_reserved), 0) AS credits_reserved,
  coalesce(sum(coalesce(q.credits_spent, q.credits_reserved)), 0) AS credits_spent
FROM run r
LEFT JOIN request q ON q.run = r.id
GROUP BY r.id;

CREATE VIEW request_log AS
SELECT
  q.id AS request_id,
  q.run AS run_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', q.at_ms / 1000.0, 'unixepoch') AS at,
  a.name AS account,
  q.endpoint,
  c.urn AS conversation_id,
  q.asked,
  q.returned,
  q.credits_reserved,
  q.credits_spent,
  q.http_status,
  q.error,
  q.purpose,
  q.new_messages
FROM request q
JOIN account a ON a.id = q.account
LEFT JOIN conversation c ON c.id = q.conversation;
