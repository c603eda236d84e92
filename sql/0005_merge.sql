-- A case that belongs to another one: principals of one customer that opened within hours and share a source (analyzer/case_merge.c). 0: none.
ALTER TABLE acase ADD COLUMN parent INTEGER NOT NULL DEFAULT 0;
CREATE INDEX acase_parent ON acase (parent) WHERE parent <> 0;
