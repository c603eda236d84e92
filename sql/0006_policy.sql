-- Who broke which published limit on which day (analyzer/policy.h). No cases.
CREATE TABLE policy_finding (
  day INTEGER NOT NULL,                     -- since 1970-01-01, in the log's zone
  rule TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, customer TEXT NOT NULL DEFAULT '',
  count INTEGER NOT NULL, largest INTEGER NOT NULL, -- in the rule's unit; 0 where it has none
  first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, utc_offset_s INTEGER NOT NULL DEFAULT 0,
  line TEXT NOT NULL, queue_id TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (day, rule, kind, id)) WITHOUT ROWID;
CREATE INDEX policy_finding_principal ON policy_finding (kind, id);
-- What found no room on a day.
CREATE TABLE policy_day (day INTEGER PRIMARY KEY, dropped INTEGER NOT NULL);
