-- Who took something away, or changed what others rely on; and of each removed artifact, by which act it went.
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
