-- How a case's score came about (analyzer/journal.h): what abusewatch explain and the case's page show.
CREATE TABLE case_step (
  case_id INTEGER NOT NULL, seq INTEGER NOT NULL, -- 1000000: the highest
  nth INTEGER NOT NULL,                           -- among all events that changed the evidence; what is missing in between was left out
  at_us INTEGER NOT NULL, what TEXT NOT NULL, mark TEXT NOT NULL, level TEXT NOT NULL,
  total INTEGER NOT NULL, capped_to INTEGER NOT NULL, -- 1/4096 nat, as all numbers within detectors and groups
  detectors TEXT NOT NULL, groups TEXT NOT NULL,  -- JSON
  PRIMARY KEY (case_id, seq)) WITHOUT ROWID;
ALTER TABLE acase ADD COLUMN changes INTEGER NOT NULL DEFAULT 0; -- events that changed the evidence, since it began
