-- Who took something away, or changed what others rely on; of each removed artifact, by which act it went; and the tokens
-- that the server minted and that last.
CREATE TABLE audit_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  project TEXT COLLATE NOCASE,
  artifact_ids TEXT NOT NULL,
  details TEXT NOT NULL,
  actor TEXT
);
--> statement-breakpoint
CREATE INDEX audit_log_project ON audit_log (project, id);
--> statement-breakpoint
CREATE INDEX audit_log_at ON audit_log (at);
--> statement-breakpoint
ALTER TABLE artifacts ADD COLUMN removed_act INTEGER;
--> statement-breakpoint
CREATE TABLE minted_tokens (
  number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  id TEXT NOT NULL,
  project TEXT COLLATE NOCASE,
  scope TEXT NOT NULL,
  run INTEGER,
  job TEXT,
  is_session INTEGER NOT NULL,
  minted_at INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  lineage TEXT NOT NULL,
  minted_by TEXT NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX minted_tokens_id ON minted_tokens (id);
--> statement-breakpoint
CREATE INDEX minted_tokens_project ON minted_tokens (project, number);
--> statement-breakpoint
CREATE INDEX minted_tokens_end ON minted_tokens (ends_at);
