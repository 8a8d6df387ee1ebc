-- The archive. This script creates a new file; src/store/schema/N.sql migrates an archive of schema N-1 to schema N
-- without deleting archived data. The views at the end are the stable interface: they may gain columns, but no column
-- is renamed or removed. All times are UTC: `_ms` columns are milliseconds since the Unix epoch, `_at` columns of the
-- views are ISO 8601 text.

PRAGMA application_id = 0x41524348; -- "ARCH"
PRAGMA user_version = 3;

-- A LinkedIn account whose conversations are archived.
CREATE TABLE account (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE,                 -- its name in the configuration
  owner_name TEXT,                            -- the owner's display name, if configured
  message_owner TEXT,                         -- the member whose mailbox its first messages came from, by the API's id; null until known
  inbox_owner TEXT,                           -- the same of its inbox
  unnamed INTEGER NOT NULL DEFAULT 1 CHECK (unnamed IN (0, 1)) -- 1: who is who is to be worked out again, because somebody new has written
) STRICT;

-- A sender as the API describes them. A human has several rows if the API describes them in several ways.
CREATE TABLE person (
  id           INTEGER PRIMARY KEY,
  account      INTEGER NOT NULL REFERENCES account(id), -- the account that received the answer
  name         TEXT NOT NULL,                 -- display name; empty if the API gave none
  first_name   TEXT,                          -- null: not served
  last_name    TEXT,                          -- likewise
  profile_url  TEXT,                          -- likewise; v2 serves it
  is_me        INTEGER CHECK (is_me IN (0, 1)) -- whether this is the account's owner; null: unknown
) STRICT;
CREATE UNIQUE INDEX person_by_identity ON person
  (account, name, ifnull(first_name, char(0)), ifnull(last_name, char(0)), ifnull(profile_url, char(0)));

-- A conversation. Until the first answer names it, it may be known only by the other side's profile.
CREATE TABLE conversation (
  id                    INTEGER PRIMARY KEY,
  account               INTEGER NOT NULL REFERENCES account(id), -- the mailbox it is in
  thread                TEXT,                 -- the thread id, "2-…" without padding; null until known
  urn                   TEXT,                 -- the API's id of it; null until known
  profile_url           TEXT,                 -- the other side's profile, if configured or served
  headline              TEXT,                 -- the other side's headline, as the inbox last showed it
  picture_url           TEXT,                 -- the other side's picture, likewise
  is_group              INTEGER CHECK (is_group IN (0, 1)), -- whether it has more than two participants; null: unknown
  discovered            INTEGER NOT NULL DEFAULT 0 CHECK (discovered IN (0, 1)), -- 1: found in the inbox, not configured
  alias                 TEXT,                 -- its name in the configuration, if it has one there
  name                  TEXT,                 -- the other side's name, as served or derived
  messages              INTEGER NOT NULL DEFAULT 0, -- messages stored, including gone ones
  gone                  INTEGER NOT NULL DEFAULT 0, -- of these, messages that the API no longer returns
  oldest_ms             INTEGER,              -- time of the oldest message stored
  newest_ms             INTEGER,              -- time of the newest message stored
  beginning_seen_ms     INTEGER,              -- when the API reported the beginning; null: not yet
  head_tried_ms         INTEGER,              -- when the newest page was last requested, successfully or not
  head_tried_run        INTEGER NOT NULL DEFAULT 0, -- the run that requested it
  silent_looks          INTEGER NOT NULL DEFAULT 0, -- consecutive requests for the newest page that found nothing new
  inbox_seen_ms         INTEGER,              -- when the inbox last showed it; null: it is not there, or may hide what comes after a message dated ahead
  inbox_last_message_ms INTEGER,              -- time of its last message, according to the inbox
  inbox_last_text_hash  INTEGER,              -- hash of that message's text
  synced_ms             INTEGER,              -- when a page of it was last received
  unread                INTEGER,              -- unread messages, as last served
  last_seen_ms          INTEGER,              -- when the owner last read it, as last served
  served_total          INTEGER,              -- the API's own count of its messages, if it gives one
  last_error            TEXT,                 -- why the last request failed; null: it did not
  news_at_least         INTEGER NOT NULL DEFAULT 0, -- new messages since the newest page was last fetched, by the unread count
  recheck_at_ms         INTEGER,              -- where the recheck under way continues; null: none is under way
  rechecked_ms          INTEGER,              -- when the last recheck finished; null: never
  count_extra           INTEGER NOT NULL DEFAULT 0, -- how many more it counts than it returned when all of it was read
  counts_gone           INTEGER NOT NULL DEFAULT 0 CHECK (counts_gone IN (0, 1)), -- 1: it also counts messages that it no longer returns
  asked                 INTEGER NOT NULL DEFAULT 0 CHECK (asked IN (0, 1, 2)), -- whether runs ask for it: 1 yes; 2 by its thread, which is configured
  look_run              INTEGER NOT NULL DEFAULT 0, -- outside the inbox: the first run that looks at its newest page again
  erased                INTEGER NOT NULL DEFAULT 0, -- messages that were erased, from floor_ms on
  erased_gone           INTEGER NOT NULL DEFAULT 0, -- of these, messages that the API no longer returns
  erased_oldest_ms      INTEGER,              -- time of the oldest of them
  erased_newest_ms      INTEGER,              -- time of the newest of them
  floor_ms              INTEGER,              -- what was sent before this was erased: it is neither fetched nor stored
  cut_ms                INTEGER,              -- the floor that its course was cut off at; null: it never was
  stopped               INTEGER NOT NULL DEFAULT 0 CHECK (stopped IN (0, 1)), -- 1: erased for good, and what comes later is not archived either
  UNIQUE (account, thread)                    -- also: which conversation is this row of the inbox?
) STRICT;
-- Which conversations should this page of the inbox show?
--   WHERE account = ? AND inbox_seen_ms IS NOT NULL AND inbox_last_message_ms > ? AND inbox_last_message_ms < ?
CREATE INDEX conversation_in_inbox ON conversation (account, inbox_last_message_ms) WHERE inbox_seen_ms IS NOT NULL;
-- Which conversations outside the inbox are due for a poll of their own?
--   WHERE account = ? AND asked > 0 AND inbox_seen_ms IS NULL AND look_run <= ?
CREATE INDEX conversation_outside_inbox ON conversation (account, look_run) WHERE asked > 0 AND inbox_seen_ms IS NULL;
-- Without an inbox: which conversation was polled the longest ago?
--   WHERE account = ? AND asked > 0 ORDER BY ifnull(head_tried_ms, -1), id
CREATE INDEX conversation_by_poll ON conversation (account, ifnull(head_tried_ms, -1)) WHERE asked > 0;
-- Which complete conversation was read whole the longest ago, and which are being read again?
--   WHERE account = ? AND asked > 0 AND beginning_seen_ms IS NOT NULL ORDER BY ifnull(rechecked_ms, beginning_seen_ms), id
CREATE INDEX conversation_by_recheck ON conversation (account, ifnull(rechecked_ms, beginning_seen_ms)) WHERE asked > 0 AND beginning_seen_ms IS NOT NULL;
CREATE INDEX conversation_in_recheck ON conversation (account) WHERE recheck_at_ms IS NOT NULL;
-- Down to when does an account's archive reach?
CREATE INDEX conversation_by_oldest ON conversation (account, oldest_ms) WHERE asked > 0;
-- What is asked of all conversations together is read from these, without reading their rows.
-- Which conversations were active last?
--   ORDER BY newest_ms DESC, id
CREATE INDEX conversation_by_newest ON conversation (newest_ms DESC);
-- How much of an account is stored, and how much of it is complete? Which conversations hold nothing?
CREATE INDEX conversation_figures ON conversation (account, messages, asked, gone, beginning_seen_ms);
-- Which conversations need attention, because the last request failed, or because the API counts more than is stored?
CREATE INDEX conversation_failing ON conversation (account) WHERE last_error IS NOT NULL;
CREATE INDEX conversation_short ON conversation (account) WHERE beginning_seen_ms IS NOT NULL AND served_total > messages + erased + (counts_gone - 1) * (gone + erased_gone);
-- Which conversations were erased for good?
CREATE INDEX conversation_stopped ON conversation (account) WHERE stopped = 1;
-- Which conversations does no run ask for?
CREATE INDEX conversation_not_asked ON conversation (newest_ms DESC, oldest_ms) WHERE asked = 0;
-- Which conversation that runs ask for was fetched the longest ago: of those in the inbox, of the others? Which of those that
-- no run asks for came last?
--   WHERE account = ? AND (asked > 0) = ? AND (inbox_seen_ms IS NULL) = ?
CREATE INDEX conversation_by_sync ON conversation (account, (asked > 0), (inbox_seen_ms IS NULL), synced_ms);
-- Of which conversations was nothing ever fetched?
CREATE INDEX conversation_never_fetched ON conversation (account) WHERE synced_ms IS NULL AND beginning_seen_ms IS NULL;

-- The profile URLs by which a conversation was requested, so that each is resolved only once.
CREATE TABLE address (
  account       INTEGER NOT NULL REFERENCES account(id), -- the mailbox
  profile_url   TEXT NOT NULL,                -- as requested
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- the conversation it resolved to
  PRIMARY KEY (account, profile_url)
) STRICT, WITHOUT ROWID;

-- Who wrote how much in which conversation.
CREATE TABLE participant (
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- where
  person        INTEGER NOT NULL REFERENCES person(id), -- who
  messages      INTEGER NOT NULL DEFAULT 0,   -- messages of theirs that are stored
  PRIMARY KEY (conversation, person)
) STRICT, WITHOUT ROWID;

-- Who wrote when, as `people` and `stats` count it: what the messages say, in a form that is quick to read. Rows of a
-- conversation do not overlap. An export leaves it out, and an import makes it anew.
CREATE TABLE written (
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- where
  oldest_ms     INTEGER NOT NULL,            -- time of the first of its messages
  newest_ms     INTEGER NOT NULL,            -- time of the last of them
  lines         BLOB NOT NULL,                -- each message's time and sender: see src/core/written.rs
  PRIMARY KEY (conversation, oldest_ms)
) STRICT, WITHOUT ROWID;

-- Message types as served.
CREATE TABLE kind (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE                  -- as served; empty if the API gave none
) STRICT;

-- The parts that many message ids share: an id is prefix || urn_key || suffix.
CREATE TABLE urn_shape (
  id      INTEGER PRIMARY KEY,
  prefix  TEXT NOT NULL,                      -- up to and including the "2-": the mailbox
  suffix  TEXT NOT NULL,                      -- the thread id and the closing bracket
  UNIQUE (prefix, suffix)
) STRICT;

-- The shape of the served JSON, shared by many messages: control characters mark where column values go.
CREATE TABLE template (
  id    INTEGER PRIMARY KEY,
  json  TEXT NOT NULL UNIQUE                  -- the served object with a mark in place of each value
) STRICT;

-- The latest version of a message. Only an erasure deletes rows; an update moves the former version to message_version.
-- Ids follow the time of sending: sent_at_ms / 1024, or the next free id. `ORDER BY id DESC` is therefore newest
-- first, which full-text search answers without sorting.
CREATE TABLE message (
  id            INTEGER PRIMARY KEY,
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- the conversation it is in
  sent_at_ms    INTEGER NOT NULL,             -- as served, or derived if the served time is missing or implausible
  sender        INTEGER NOT NULL REFERENCES person(id), -- who
  kind          INTEGER NOT NULL REFERENCES kind(id), -- its type
  template      INTEGER NOT NULL REFERENCES template(id), -- the form of its JSON
  urn_shape     INTEGER REFERENCES urn_shape(id), -- null: the API gave no id
  urn_probe     INTEGER,                      -- lookup key: the creation time in the id, or a hash of the id
  urn_key       TEXT,                         -- the message's own part of its id
  versions      INTEGER NOT NULL DEFAULT 1,   -- 1 plus the number of edits seen
  gone_since_ms INTEGER,                      -- when the API was first seen not to return it any more; null: it does
  derived_time  INTEGER CHECK (derived_time = 1), -- 1: sent_at_ms is derived; null: it was served
  text          TEXT NOT NULL,                -- may be empty
  extra         TEXT,                         -- served members without a column of their own, verbatim; usually null
  source        TEXT CHECK (source IN ('export')), -- 'export': known only from LinkedIn's data export; null: from the API
  change        INTEGER,                      -- the number of its latest change: see the table change
  subject       TEXT,                         -- the subject of a mail; null: none
  attachments   TEXT,                         -- files that came with it: a JSON array of {name, url, type}; null: none
  attachment_names TEXT                       -- their names, one a line, for search
) STRICT;
CREATE INDEX message_by_time ON message (conversation, sent_at_ms);
CREATE INDEX message_by_urn ON message (conversation, urn_probe) WHERE urn_probe IS NOT NULL;

-- What changed, in the order in which it did. Every change of a message has a number of its own, the message's column
-- `change` has the latest, and a row here stands for consecutive numbers: messages of one conversation that a transaction
-- changed in the same way.
--   FROM change b JOIN message m ON m.conversation = b.conversation AND m.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms
--     AND m.change BETWEEN b.seq - b.messages + 1 AND b.seq WHERE b.seq > ?
CREATE TABLE change (
  seq           INTEGER PRIMARY KEY AUTOINCREMENT, -- the last of its numbers
  messages      INTEGER NOT NULL,             -- how many it has; some may have been changed again since
  kind          TEXT NOT NULL CHECK (kind IN ('new', 'edited', 'gone', 'back', 'erased')), -- how they were changed
  history       INTEGER NOT NULL CHECK (history IN (0, 1)), -- 1: new, but sent long before: by a first archive or an import
  run           INTEGER NOT NULL,             -- the run that did
  at_ms         INTEGER NOT NULL,             -- when
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- the conversation they are in
  oldest_ms     INTEGER NOT NULL,             -- time of the oldest of them
  newest_ms     INTEGER NOT NULL              -- time of the newest of them
) STRICT;
-- Which of them are erasures?
CREATE INDEX change_erased ON change (seq) WHERE kind = 'erased';

-- A former version of a message: before an edit, or before other served members changed.
CREATE TABLE message_version (
  id            INTEGER PRIMARY KEY,
  message       INTEGER NOT NULL REFERENCES message(id), -- the message
  replaced_ms   INTEGER NOT NULL,             -- when the newer version was first seen
  edited        INTEGER NOT NULL CHECK (edited IN (0, 1)), -- whether text or type changed
  sent_at_ms    INTEGER NOT NULL,             -- this and the following columns: as served then
  sender        INTEGER NOT NULL REFERENCES person(id), -- who
  kind          INTEGER NOT NULL REFERENCES kind(id), -- its type
  template      INTEGER NOT NULL REFERENCES template(id), -- the form of its JSON
  text          TEXT NOT NULL,                -- its text
  extra         TEXT                          -- other served members
) STRICT;
CREATE INDEX message_version_by_message ON message_version (message);

-- A number that a message had before it was changed again: whoever has read the changes up to an earlier one learns of
-- both. What it said at a number is in the first version named from that number on, or else in the message itself.
CREATE TABLE change_before (
  seq           INTEGER PRIMARY KEY,          -- the number
  message       INTEGER NOT NULL REFERENCES message(id) ON DELETE CASCADE, -- the message
  version       INTEGER                       -- the id of the message_version that says what it said until then; null: the next change left that alone
) STRICT;
CREATE INDEX change_before_by_message ON change_before (message);

-- An account's inbox: a list of conversations, each at the time of its last message.
CREATE TABLE inbox (
  account            INTEGER PRIMARY KEY REFERENCES account(id), -- whose inbox
  newest_ms          INTEGER,                 -- the most recent activity seen
  oldest_ms          INTEGER,                 -- the least recent activity seen
  beginning_seen_ms  INTEGER,                 -- when the API reported its end; null: not yet
  tried_ms           INTEGER,                 -- when its first page was last requested, successfully or not
  synced_ms          INTEGER,                 -- when a page of it was last received
  last_error         TEXT,                    -- why the last request failed; null: it did not
  wanted             TEXT                     -- the configured filter of its conversations that was last applied
) STRICT;

-- A stretch of a conversation in which messages may be missing, or of an inbox in which conversations may be missing.
-- Both edges are part of it.
CREATE TABLE gap (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  account       INTEGER NOT NULL REFERENCES account(id), -- the mailbox
  conversation  INTEGER REFERENCES conversation(id), -- null: the account's inbox
  newer_ms      INTEGER,                      -- the oldest message above it; null: it reaches up to now
  older_ms      INTEGER,                      -- the newest message below it; null: it reaches down to the beginning
  cursor        TEXT,                         -- the API's cursor that fetches from the newer edge downward
  opened_ms     INTEGER NOT NULL,             -- when messages were first known to be missing here
  stall_code    TEXT CHECK (stall_code IN (   -- why the last attempt got no further; null: it did, or there was none
    'repeated_page', 'cursor_not_down', 'more_without_cursor', 'empty_but_more', 'empty_but_stored', 'newest_missing',
    'border_missing', 'no_times', 'end_above_known', 'end_before_count', 'count_differs',
    'mixed_threads', 'one_millisecond', 'request_failed')),
  stall_detail  TEXT,                         -- end_before_count: the API's count; count_differs: how many more; request_failed: the error
  stalls        INTEGER NOT NULL DEFAULT 0,   -- consecutive attempts that got no further
  stalled_run   INTEGER NOT NULL DEFAULT 0,   -- the run of the last of them
  due_run       INTEGER NOT NULL DEFAULT 0,   -- the first run that may try again
  ask_at_least  INTEGER NOT NULL DEFAULT 0,   -- requesting fewer results than this is known to get no further
  filled        INTEGER NOT NULL DEFAULT 0,   -- messages fetched from it so far
  told          INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)), -- 1: an alert has said that it gets no further
  rank          INTEGER NOT NULL DEFAULT 3 CHECK (rank IN (0, 1, 2, 3)), -- when it is filled: 0 newest first; 1 later, because the last request failed; 2 last, because it is stalled; 3 never, because its conversation is not asked for
  CHECK ((stall_detail IS NOT NULL) = (ifnull(stall_code, '') IN ('end_before_count', 'count_differs', 'request_failed')))
) STRICT;
CREATE INDEX gap_by_conversation ON gap (conversation);
CREATE INDEX gap_of_inbox ON gap (account) WHERE conversation IS NULL;
-- Which gaps need attention?
CREATE INDEX gap_stalled ON gap (newer_ms DESC) WHERE stall_code IS NOT NULL AND conversation IS NOT NULL;
-- Which gap is to be filled next?
--   WHERE account = ? AND conversation IS NOT NULL AND rank = ? AND due_run = 0 ORDER BY ifnull(newer_ms, 9223372036854775807) DESC, id
CREATE INDEX gap_by_rank ON gap (account, rank, due_run, ifnull(newer_ms, 9223372036854775807) DESC) WHERE conversation IS NOT NULL;

-- The configuration that was applied last, as a number: only another one has to be applied.
CREATE TABLE configuration (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  digest  INTEGER NOT NULL,                   -- of the accounts and what they ask for
  floor_ms INTEGER,                           -- what was sent before this is too old to be fetched; null: nothing is
  retained_ms INTEGER                         -- what was sent before this has been erased by retention; null: nothing has
) STRICT;

-- Conversations that retention and erasures leave alone, as the configuration names them.
CREATE TABLE hold (
  thread  TEXT PRIMARY KEY                    -- the thread id, "2-…" without padding
) STRICT, WITHOUT ROWID;

-- Everything that adds messages or spends credits is a run.
CREATE TABLE run (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  kind         TEXT NOT NULL CHECK (kind IN ('sync', 'import', 'login', 'watch', 'erase', 'restore')), -- watch: a day of the hosted webhook; restore: credits booked for an older copy
  started_ms   INTEGER NOT NULL,              -- when it began
  finished_ms  INTEGER,                       -- when it ended; null: it is running, or was cut short
  trigger      TEXT NOT NULL CHECK (trigger IN ('once', 'schedule', 'start')), -- once: by hand; start: of the service
  outcome      TEXT CHECK (outcome IN ('complete', 'budget', 'partial', 'failed', 'no_credits', 'interrupted')), -- null: not finished
  retry_at_ms  INTEGER                        -- when the API allowed the next request; null: it asked for no pause
) STRICT;
-- Which runs were cut short?
CREATE INDEX run_unfinished ON run (id) WHERE finished_ms IS NULL;

-- The ledger: every request, written before it is sent.
CREATE TABLE request (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  run               INTEGER NOT NULL REFERENCES run(id), -- the run that made it
  at_ms             INTEGER NOT NULL,         -- when its credits were reserved, just before it was sent
  account           INTEGER NOT NULL REFERENCES account(id), -- the account whose access it used
  endpoint          TEXT NOT NULL,            -- such as v1/messages/conversation
  conversation      INTEGER REFERENCES conversation(id), -- null: about no single conversation
  purpose           TEXT NOT NULL CHECK (purpose IN ( -- head: the newest page; gap: a page of a gap; recheck: a page read again;
    'head', 'gap', 'recheck', 'inbox', 'walk', 'watch', 'login', 'restored')), -- inbox: its first page; walk: a later page of it; restored: spent, but unknown to an older copy
  asked             INTEGER NOT NULL,         -- results requested
  returned          INTEGER,                  -- results received
  new_messages      INTEGER NOT NULL DEFAULT 0, -- of these, new ones
  changed_messages  INTEGER NOT NULL DEFAULT 0, -- of these, edited ones
  credits_reserved  INTEGER NOT NULL,         -- the maximum cost
  credits_spent     INTEGER,                  -- null: not settled, so the reservation counts as spent
  http_status       INTEGER,                  -- null: there was no answer
  error             TEXT,                     -- what went wrong; null: nothing
  stall_code        TEXT CHECK (stall_code IN ( -- as in gap: why the page received got no further; null: it did
    'repeated_page', 'cursor_not_down', 'more_without_cursor', 'empty_but_more', 'empty_but_stored', 'newest_missing',
    'border_missing', 'no_times', 'end_above_known', 'end_before_count', 'count_differs',
    'mixed_threads', 'one_millisecond', 'request_failed'))
) STRICT;
CREATE INDEX request_by_time ON request (at_ms, credits_spent, credits_reserved);
CREATE INDEX request_by_run ON request (run);
-- The last request of an account that has caps of its own: heads and gaps take turns there.
CREATE INDEX request_by_account ON request (account);

-- What counts as spent of each day: the sums of the ledger, changed together with it, so that a run need not add it up.
-- An export leaves it out, and an import makes it anew.
CREATE TABLE spent (
  day_ms        INTEGER NOT NULL,                    -- the day's first moment (UTC)
  account       INTEGER NOT NULL REFERENCES account(id), -- whose requests
  credits       INTEGER NOT NULL,                    -- of all of its requests that day: what each cost, or reserved where that is not settled
  PRIMARY KEY (day_ms, account)
) STRICT, WITHOUT ROWID;

-- Items of an answer that are not messages: kept, not dropped.
CREATE TABLE quarantine (
  id            INTEGER PRIMARY KEY,
  conversation  INTEGER REFERENCES conversation(id), -- null: from the inbox
  request       INTEGER NOT NULL REFERENCES request(id), -- the request that returned it
  reason        TEXT NOT NULL,                -- why it is not a message
  json          TEXT NOT NULL                 -- the item verbatim
) STRICT;

-- An import of a file.
CREATE TABLE import (
  id            INTEGER PRIMARY KEY,
  run           INTEGER NOT NULL REFERENCES run(id), -- the run it was
  account       INTEGER NOT NULL REFERENCES account(id), -- the account it was imported for
  source        TEXT NOT NULL,                -- 'linkedin-export' or 'jsonl'
  file          TEXT NOT NULL,                -- the file's name without its folder
  rows          INTEGER NOT NULL DEFAULT 0,   -- rows in the file
  new_messages  INTEGER NOT NULL DEFAULT 0,   -- of these, messages that were not stored yet
  odd_rows      INTEGER NOT NULL DEFAULT 0    -- of these, rows that are not messages
) STRICT;

-- Rows of an import that are not messages.
CREATE TABLE import_oddity (
  id       INTEGER PRIMARY KEY,
  import   INTEGER NOT NULL REFERENCES import(id), -- the import
  line     INTEGER NOT NULL,                  -- the line it begins on
  reason   TEXT NOT NULL,                     -- why it is not a message
  content  TEXT NOT NULL                      -- the row as a JSON object
) STRICT;

-- A stretch of a conversation that LinkedIn's data export covers completely, as far as it can tell.
CREATE TABLE export_cover (
  id            INTEGER PRIMARY KEY,
  import        INTEGER NOT NULL REFERENCES import(id), -- the import
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- the conversation
  oldest_ms     INTEGER NOT NULL,             -- the oldest message exported
  newest_ms     INTEGER NOT NULL              -- the newest message exported
) STRICT;
CREATE INDEX export_cover_by_conversation ON export_cover (conversation);

-- The vendor's balance before and after a run, if the API reports it.
CREATE TABLE balance (
  id       INTEGER PRIMARY KEY,
  run      INTEGER NOT NULL REFERENCES run(id), -- the run
  at_ms    INTEGER NOT NULL,                  -- when it was requested
  moment   TEXT NOT NULL CHECK (moment IN ('before', 'after')), -- relative to the run
  credits  REAL NOT NULL                      -- credits left
) STRICT;
CREATE INDEX balance_by_run ON balance (run);

-- An account's hosted webhook and how far its events have been read.
CREATE TABLE event_feed (
  account    INTEGER PRIMARY KEY REFERENCES account(id), -- whose webhook
  webhook    TEXT NOT NULL,                   -- the API's id of it
  position   TEXT,                            -- the API's id of the last event read; null: none yet
  polled_ms  INTEGER                          -- when events were last requested
) STRICT;

-- A problem that needs the user: an expired session, a refused key, a balance that is used up. The row is deleted once
-- the cause is gone.
CREATE TABLE alert (
  id          INTEGER PRIMARY KEY,
  account     INTEGER REFERENCES account(id), -- null: it concerns all accounts
  cause       TEXT NOT NULL CHECK (cause IN ('account', 'key', 'credits')), -- what was refused
  since_ms    INTEGER NOT NULL,               -- when it was first refused
  message     TEXT NOT NULL,                  -- the API's words
  credential  TEXT NOT NULL                   -- identifies the refused credential: a short hash, and its file's modification time
) STRICT;
CREATE UNIQUE INDEX alert_by_cause ON alert (ifnull(account, 0), cause);

-- What this archive is called in the ids of events, made up when it gets its first sink.
CREATE TABLE identity (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  archive  TEXT NOT NULL                      -- 32 random hexadecimal digits
) STRICT;

-- An alert as it is sent to the sinks of [[notify]], in order. Rows stay when the problem is solved.
CREATE TABLE notice (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms    INTEGER NOT NULL,                  -- when
  kind     TEXT NOT NULL CHECK (kind IN ('account', 'key', 'credits', 'unreachable', 'budget', 'gap')), -- what it is about
  account  TEXT,                              -- the account's name; null: it concerns all
  message  TEXT NOT NULL,                     -- what is wrong
  about    TEXT                               -- budget: the window that is used up; else null
) STRICT;
CREATE INDEX notice_about ON notice (kind, about) WHERE about IS NOT NULL;

-- A sink of [[notify]]: how far it has got, and when it is tried again.
CREATE TABLE sink (
  name              TEXT PRIMARY KEY,         -- its name in the configuration
  target            INTEGER NOT NULL,         -- hash of where it leads
  change            INTEGER NOT NULL,         -- changes up to this number were delivered, or were none of its
  notice            INTEGER NOT NULL,         -- likewise alerts
  batch_to          INTEGER,                  -- the last change of what it is being told; null: nothing
  batch_form        TEXT CHECK (batch_form IN ('single', 'digest', 'summary')), -- and how
  attempts          INTEGER NOT NULL DEFAULT 0, -- consecutive attempts that failed
  failing_since_ms  INTEGER,                  -- when the first of these was made
  next_try_ms       INTEGER,                  -- when the next one is due; null: at once
  last_error        TEXT,                     -- why the last one failed
  ended_ms          INTEGER,                  -- when the receiver said that it is gone for good; null: it has not
  waiting           INTEGER NOT NULL DEFAULT 0, -- events that waited at the last attempt
  delivered         INTEGER NOT NULL DEFAULT 0, -- events that were delivered
  delivered_ms      INTEGER,                  -- when the last of them was
  CHECK ((batch_to IS NULL) = (batch_form IS NULL))
) STRICT, WITHOUT ROWID;

-- What the marks in erased and erased_name are made with: a secret of this archive's own, made up at the first erasure.
-- Another archive's comes along when its erasures are repeated here.
CREATE TABLE erasure_key (
  id   INTEGER PRIMARY KEY,
  key  TEXT NOT NULL UNIQUE                   -- 64 random hexadecimal digits
) STRICT;

-- What was erased on purpose, without its content.
CREATE TABLE erasure (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  run           INTEGER NOT NULL REFERENCES run(id), -- the run that did it
  at_ms         INTEGER NOT NULL,             -- when
  selector      TEXT NOT NULL,                -- what was chosen, in words that name nobody
  messages      INTEGER NOT NULL,             -- messages that were erased
  reason        TEXT,                         -- why, as the user has put it
  finished_ms   INTEGER                       -- when the file had been rewritten without them; null: that is still to be done
) STRICT;
-- Which erasures were cut short before the file was rewritten?
CREATE INDEX erasure_unfinished ON erasure (id) WHERE finished_ms IS NULL;

-- An erased message: enough to know it again when it is served, and nothing that it said. A mark is a hash keyed with
-- the secret of erasure_key.
CREATE TABLE erased (
  id            INTEGER PRIMARY KEY,          -- the id that the message had
  erasure       INTEGER NOT NULL REFERENCES erasure(id), -- the erasure
  key           INTEGER NOT NULL REFERENCES erasure_key(id), -- what its marks are made with
  conversation  INTEGER NOT NULL REFERENCES conversation(id), -- the conversation it was in
  sent_at_ms    INTEGER NOT NULL,             -- when it was sent, which tells what pages cover
  source        TEXT CHECK (source IN ('export', 'outside')), -- 'export': known only from LinkedIn's data export; 'outside': a draft or an advertisement from there, or a message dated ahead of when it came; null: from the API
  gone_since_ms INTEGER,                      -- when the API was first seen not to return it any more; null: it does
  urn_mark      INTEGER,                      -- of its id; null: the API gave none
  text_mark     INTEGER NOT NULL,             -- of its second, sender and text
  place_mark    INTEGER NOT NULL,             -- of its second and sender
  change        INTEGER NOT NULL              -- the number of the change that erased it
) STRICT;
CREATE INDEX erased_by_time ON erased (conversation, sent_at_ms);
CREATE INDEX erased_by_urn ON erased (conversation, urn_mark) WHERE urn_mark IS NOT NULL;

-- What else was erased and is not stored again: the name or profile of somebody of whom nothing is left, and items
-- that are no messages.
CREATE TABLE erased_item (
  mark     INTEGER PRIMARY KEY,               -- of the name, the profile's URL or the item
  key      INTEGER NOT NULL REFERENCES erasure_key(id), -- what it is made with
  erasure  INTEGER NOT NULL REFERENCES erasure(id) -- the erasure
) STRICT;

-- How often requests have failed.
CREATE TABLE failure (
  kind   TEXT PRIMARY KEY,                    -- the kind of failure
  count  INTEGER NOT NULL                     -- failures since the archive was created
) STRICT, WITHOUT ROWID;

-- What is searched of a message: subject, text and the names of its attachments.
CREATE VIEW message_searched AS
SELECT
  id,
  ifnull(subject || char(10), '') || text || ifnull(char(10) || attachment_names, '') AS text
FROM message;

-- Full-text index of the latest versions. Messages are indexed in batches shortly after they are stored, in the order
-- of their ids; messages_unindexed lists those still to come.
CREATE VIRTUAL TABLE messages_fts USING fts5 (
  text, content = 'message_searched', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
-- A second index of the messages that messages_fts reads in too simple a way: their words as the program folds them
-- (ёлка is елка, Økland okland, ﬁn fin), and scripts written without spaces (Chinese, Japanese, Thai, …) and Korean as
-- overlapping pairs of letters. It stores no text and is kept in step with messages_fts.
CREATE VIRTUAL TABLE messages_cjk_fts USING fts5 (
  text, content = '', tokenize = 'ascii'
);
CREATE TABLE messages_unindexed (
  id  INTEGER PRIMARY KEY                     -- the message's id
) STRICT;

CREATE VIEW message_log AS
SELECT
  a.name AS account,
  coalesce(c.urn, c.thread, c.profile_url) AS conversation_id,
  coalesce(c.alias, c.name) AS conversation,
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
  m.id AS message_id,
  ifnull(m.source, 'api') AS source,
  m.subject,
  ifnull(m.attachments, '[]') AS attachments
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
  coalesce(c.urn, c.thread, c.profile_url) AS conversation_id,
  c.profile_url,
  coalesce(c.alias, c.name) AS name,
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

CREATE VIEW change_log AS
SELECT
  m.change AS seq,
  b.kind,
  m.id AS message_id,
  coalesce(c.urn, c.thread, c.profile_url) AS conversation_id,
  a.name AS account,
  strftime('%Y-%m-%dT%H:%M:%fZ', b.at_ms / 1000.0, 'unixepoch') AS changed_at,
  b.history,
  b.run AS run_id
FROM change b
JOIN message m ON m.conversation = b.conversation AND m.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms
  AND m.change BETWEEN b.seq - b.messages + 1 AND b.seq
JOIN conversation c ON c.id = m.conversation
JOIN account a ON a.id = c.account
UNION ALL
SELECT
  x.change,
  b.kind,
  x.id,
  coalesce(c.urn, c.thread, c.profile_url),
  a.name,
  strftime('%Y-%m-%dT%H:%M:%fZ', b.at_ms / 1000.0, 'unixepoch'),
  b.history,
  b.run
FROM change b
JOIN erased x ON x.conversation = b.conversation AND x.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms
  AND x.change BETWEEN b.seq - b.messages + 1 AND b.seq
JOIN conversation c ON c.id = x.conversation
JOIN account a ON a.id = c.account;

CREATE VIEW gap_log AS
SELECT
  coalesce(c.urn, c.thread, c.profile_url) AS conversation_id,
  g.newer_ms,
  g.older_ms,
  strftime('%Y-%m-%dT%H:%M:%fZ', g.opened_ms / 1000.0, 'unixepoch') AS opened_at,
  CASE g.stall_code
    WHEN 'repeated_page' THEN 'the server repeated a page that is already stored'
    WHEN 'cursor_not_down' THEN 'the server''s cursor did not go down'
    WHEN 'more_without_cursor' THEN 'the server says that there is more but gives no cursor'
    WHEN 'empty_but_more' THEN 'the server sent an empty page and says that there is more'
    WHEN 'empty_but_stored' THEN 'the server says that the conversation is empty, but the archive holds messages of it'
    WHEN 'newest_missing' THEN 'the server''s newest page ends before messages that the archive already holds'
    WHEN 'border_missing' THEN 'the server''s page begins below the message that it was asked for'
    WHEN 'no_times' THEN 'no message on the page has a usable timestamp'
    WHEN 'end_above_known' THEN 'the server says that the conversation begins after messages that the archive already holds'
    WHEN 'end_before_count' THEN 'the server counts more messages than it gave before it ended'
    WHEN 'count_differs' THEN 'the server counts more messages than are stored; ' || g.stall_detail || ' may be missing'
    WHEN 'mixed_threads' THEN 'the server''s page holds messages of other conversations'
    WHEN 'one_millisecond' THEN 'more messages share one millisecond than can be asked for at once'
    WHEN 'request_failed' THEN g.stall_detail
  END AS stalled,
  a.name AS account,
  CASE WHEN g.conversation IS NULL THEN 'inbox' ELSE coalesce(c.alias, c.name, c.profile_url) END AS conversation,
  g.stall_code
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
  coalesce(sum(coalesce(q.credits_spent, q.credits_reserved)), 0) AS credits_spent,
  r.kind
FROM run r
LEFT JOIN request q ON q.run = r.id
GROUP BY r.id;

CREATE VIEW balance_log AS
SELECT
  b.run AS run_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', b.at_ms / 1000.0, 'unixepoch') AS at,
  b.moment,
  b.credits
FROM balance b;

CREATE VIEW import_log AS
SELECT
  i.id AS import_id,
  i.run AS run_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.started_ms / 1000.0, 'unixepoch') AS at,
  a.name AS account,
  i.source,
  i.file,
  i.rows,
  i.new_messages,
  i.odd_rows
FROM import i
JOIN run r ON r.id = i.run
JOIN account a ON a.id = i.account;

CREATE VIEW request_log AS
SELECT
  q.id AS request_id,
  q.run AS run_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', q.at_ms / 1000.0, 'unixepoch') AS at,
  a.name AS account,
  q.endpoint,
  coalesce(c.urn, c.thread, c.profile_url) AS conversation_id,
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

CREATE VIEW erasure_log AS
SELECT
  e.id AS erasure_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', e.at_ms / 1000.0, 'unixepoch') AS erased_at,
  e.selector,
  e.messages,
  e.reason,
  e.run AS run_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', e.finished_ms / 1000.0, 'unixepoch') AS finished_at
FROM erasure e;
