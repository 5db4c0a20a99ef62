-- What a negotiated upload offered: SHA-256 over run, job, name and tree, so that the same command finds its session. Null
-- for sessions that one request opens and ends.
ALTER TABLE sessions ADD COLUMN offer BLOB;
--> statement-breakpoint
CREATE UNIQUE INDEX sessions_by_offer ON sessions (offer) WHERE offer IS NOT NULL AND state = 0;
--> statement-breakpoint
-- What a client has told of the artifact to come, until the commit. kind: 0 canonical lines of the manifest, 1 composites.
-- `bytes` is of src/ingest/negotiated/.
CREATE TABLE offered_pages (
  session_id INTEGER NOT NULL REFERENCES sessions (id),
  kind INTEGER NOT NULL,
  page INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (session_id, kind, page)
);
