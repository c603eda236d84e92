-- A search asks for those segments that a filter does not rule out, instead of reading the whole catalog.
CREATE INDEX segment_member ON segment (filter, filter_bit);
-- Who searches keeps the rows of hot_message in memory and reads only new ones, as long as this number, which counts how often some were removed, is the same.
CREATE TABLE hot_removed (times INTEGER NOT NULL);
INSERT INTO hot_removed VALUES (0);
