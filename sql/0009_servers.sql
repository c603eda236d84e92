-- Our and our customers' mail servers, as captured sessions show them (analyzer/servers.h).
CREATE TABLE smtp_server (
  address TEXT PRIMARY KEY, customer TEXT NOT NULL, host TEXT NOT NULL,
  software TEXT NOT NULL, was TEXT NOT NULL, -- "": none is settled, or its greeting names none; was: before the last change
  settled INTEGER NOT NULL,                  -- 1 + slot of the face that is its software; 0: none yet
  first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, changed_us INTEGER NOT NULL, -- changed_us: 0: never
  sessions INTEGER NOT NULL, alone INTEGER NOT NULL, alone_nets INTEGER NOT NULL) WITHOUT ROWID;
-- The greetings of each.
CREATE TABLE smtp_server_face (
  address TEXT NOT NULL, slot INTEGER NOT NULL, software TEXT NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, sessions INTEGER NOT NULL,
  PRIMARY KEY (address, slot)) WITHOUT ROWID;
-- What changed: a server's software; what happens to port 25 on the way.
CREATE TABLE network_event (
  at_us INTEGER NOT NULL, what TEXT NOT NULL, -- software masked proxied stripped ended
  address TEXT NOT NULL, customer TEXT NOT NULL, host TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, text TEXT NOT NULL, since_us INTEGER NOT NULL,
  PRIMARY KEY (at_us, what, address)) WITHOUT ROWID;
