-- Files that say which of up to 64 segments may hold a key (analyzer/segment_filter.h), named by their number. A segment that is dropped takes what
-- is known of it along; a filter that no segment has is removed.
CREATE TABLE segment_filter (
  id INTEGER PRIMARY KEY AUTOINCREMENT,     -- never given twice: programs keep files open by it
  first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, bytes INTEGER NOT NULL);
ALTER TABLE segment ADD COLUMN filter INTEGER NOT NULL DEFAULT 0; -- 0: none
ALTER TABLE segment ADD COLUMN filter_bit INTEGER NOT NULL DEFAULT 0;
