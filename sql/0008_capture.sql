-- The newest captured sessions of each principal, for showing (analyzer/dialogues.h).
CREATE TABLE dialogue (
  kind TEXT NOT NULL, id TEXT NOT NULL,
  at_us INTEGER NOT NULL, port INTEGER NOT NULL, -- of the session's end; the client's port
  peer TEXT NOT NULL,                            -- the other end's address
  helo TEXT NOT NULL, sender TEXT NOT NULL, banner TEXT NOT NULL, refusal TEXT NOT NULL, -- "": none
  messages INTEGER NOT NULL, taken_messages INTEGER NOT NULL, recipients INTEGER NOT NULL, taken INTEGER NOT NULL,
  flags INTEGER NOT NULL,                        -- lib/smtp_session.h
  PRIMARY KEY (kind, id, at_us, port)) WITHOUT ROWID;
CREATE INDEX dialogue_at ON dialogue (at_us);
