-- When this database was made. Packs that are older and unknown to it belong to another one, which was lost. A database
-- that has packs by now is older than this row can say.
CREATE TABLE store (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
INSERT INTO store (id, created_at)
  SELECT 1, CASE WHEN EXISTS (SELECT 1 FROM packs) THEN 0 ELSE CAST(unixepoch('subsec') * 1000 AS INTEGER) END;
