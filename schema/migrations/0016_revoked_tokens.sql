-- Tokens that are void before their end: single ones by their id, and all that a project had at some moment.
CREATE TABLE revoked_tokens (
  id TEXT PRIMARY KEY NOT NULL,
  project TEXT COLLATE NOCASE,
  is_session INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE INDEX revoked_tokens_project ON revoked_tokens (project);
--> statement-breakpoint
CREATE INDEX revoked_tokens_end ON revoked_tokens (ends_at);
--> statement-breakpoint
CREATE TABLE revoked_projects (
  project TEXT PRIMARY KEY NOT NULL COLLATE NOCASE,
  issued_until INTEGER NOT NULL
);
