-- What DNS block lists say of what we watch (analyzer/listing.h). Codes are the answers: 127.0.0.2 as 2130706434.
CREATE TABLE listing_target (
  target TEXT PRIMARY KEY, kind TEXT NOT NULL, customer TEXT NOT NULL DEFAULT '', -- kind: own_ip host domain
  first_us INTEGER NOT NULL, heard_us INTEGER NOT NULL, points INTEGER NOT NULL, lists INTEGER NOT NULL,
  main_lists INTEGER NOT NULL,              -- of the lists that have it; those of weight
  risk TEXT NOT NULL DEFAULT '',            -- watch likely imminent
  risk_points INTEGER NOT NULL DEFAULT 0, own_points INTEGER NOT NULL DEFAULT 0, risk_us INTEGER NOT NULL DEFAULT 0,
  reasons TEXT NOT NULL DEFAULT '[]', cause TEXT NOT NULL DEFAULT '[]',
  seen BLOB NOT NULL DEFAULT x'') WITHOUT ROWID; -- a bit for each zone, by its id, that said whether it has it
CREATE TABLE listing (
  target TEXT NOT NULL, zone TEXT NOT NULL,
  state TEXT NOT NULL,                      -- clear suspect listed held
  verdict TEXT NOT NULL,                    -- of the last answer: listed clean refused unknown dead
  entry TEXT NOT NULL,                      -- block policy info allow neutral refusal: of the newest entry, as the next four
  code INTEGER NOT NULL, points INTEGER NOT NULL, meaning TEXT NOT NULL, text TEXT NOT NULL,
  heard_us INTEGER NOT NULL, since_us INTEGER NOT NULL, listed_us INTEGER NOT NULL, negative_us INTEGER NOT NULL, negatives INTEGER NOT NULL,
  named INTEGER NOT NULL, named_us INTEGER NOT NULL, named_from_us INTEGER NOT NULL, fresh INTEGER NOT NULL, cause TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (target, zone)) WITHOUT ROWID;
CREATE INDEX listing_state ON listing (state) WHERE state <> 'clear';
-- Who was listed where, and how long.
CREATE TABLE listing_past (
  target TEXT NOT NULL, zone TEXT NOT NULL, since_us INTEGER NOT NULL, until_us INTEGER, -- NULL: it lasts
  kind TEXT NOT NULL, customer TEXT NOT NULL DEFAULT '', entry TEXT NOT NULL, code INTEGER NOT NULL, points INTEGER NOT NULL, meaning TEXT NOT NULL,
  text TEXT NOT NULL, cause TEXT NOT NULL DEFAULT '[]', PRIMARY KEY (target, zone, since_us)) WITHOUT ROWID;
-- What people hear of: the letter of an hour to the desk is made of it.
CREATE TABLE listing_change (
  at_us INTEGER NOT NULL, what TEXT NOT NULL, -- listed delisted suspended resumed unwatched withdrawn
  target TEXT NOT NULL, zone TEXT NOT NULL, kind TEXT NOT NULL, customer TEXT NOT NULL DEFAULT '', entry TEXT NOT NULL, code INTEGER NOT NULL,
  points INTEGER NOT NULL, meaning TEXT NOT NULL, text TEXT NOT NULL, cause TEXT NOT NULL DEFAULT '[]', since_us INTEGER NOT NULL,
  before INTEGER NOT NULL, after INTEGER NOT NULL, tell INTEGER NOT NULL, PRIMARY KEY (at_us, what, target, zone)) WITHOUT ROWID;
CREATE TABLE listing_zone (
  zone TEXT PRIMARY KEY, verdict TEXT NOT NULL, reason TEXT NOT NULL, since_us INTEGER NOT NULL, heard_us INTEGER NOT NULL,
  suspended_us INTEGER NOT NULL, id INTEGER NOT NULL) WITHOUT ROWID; -- id: in order of first sight
