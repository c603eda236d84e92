-- A search asks for those segments that a filter does not rule out, instead of reading the whole catalog.
CREATE INDEX segment_member ON segment (filter, filter_bit);
