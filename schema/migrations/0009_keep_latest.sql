-- Patterns of BRANCH/NAME, a JSON array: the newest artifact that one matches is kept. NULL follows the server's, in `store`.
ALTER TABLE projects ADD COLUMN keep_latest TEXT;
--> statement-breakpoint
ALTER TABLE store ADD COLUMN keep_latest TEXT NOT NULL DEFAULT '[]';
--> statement-breakpoint
-- 0 from a change of the server's patterns until all projects that follow them are settled.
ALTER TABLE store ADD COLUMN is_latest_settled INTEGER NOT NULL DEFAULT 1;
--> statement-breakpoint
-- 1 for the artifact that is kept by such a pattern; `ends_at` is then the end of time, as for a pinned one.
ALTER TABLE artifacts ADD COLUMN kept_latest INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
CREATE INDEX artifacts_kept_latest ON artifacts (project_id, name) WHERE removed_at IS NULL AND kept_latest = 1;
