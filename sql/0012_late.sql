-- Principals as of a commit, one after the other, whose row in principal is written now and then only (analyzer/store_principal.c): a commit of many adds to
-- the end and does not write all over the table. The last row of each is what counts; a store that is opened takes them over first.
CREATE TABLE principal_late (
  kind TEXT NOT NULL, id TEXT NOT NULL, customer TEXT NOT NULL, score INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
  messages INTEGER NOT NULL, recipients INTEGER NOT NULL, bounced INTEGER NOT NULL, case_id INTEGER, state BLOB NOT NULL, today BLOB NOT NULL);
-- What a commit changed in pages of memory: which page, and its bytes as an exclusive or with those before (analyzer/store_memory.c).
CREATE TABLE memory_late (deltas BLOB NOT NULL);
-- No query looks for these: the list of principals is sorted and filtered by whatever its reader wants.
DROP INDEX principal_score;
DROP INDEX principal_customer;
