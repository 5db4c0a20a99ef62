-- Patterns of BRANCH/NAME, a JSON array: the newest artifact that one matches is kept. NULL follows the server's, in `store`.
ALTER TABLE projects ADD COLUMN keep_latest TEXT;
--> statement-breakpoint
ALTER TABLE store ADD COLUMN keep_latest TEXT NOT NULL DEFAULT '[]';
--> statement-breakpoint
-- 0 from a change of the patterns that a project follows until its artifacts are settled by them.
ALTER TABLE projects ADD COLUMN is_latest_settled INTEGER NOT NULL DEFAULT 1;
--> statement-breakpoint
-- The branch whose latest it can be: its run's, NULL where that is not known, or of a pull request.
ALTER TABLE artifacts ADD COLUMN latest_of TEXT;
--> statement-breakpoint
-- 1 while it is kept for being that; `ends_at` is then the end of time, as for a pinned one.
ALTER TABLE artifacts ADD COLUMN kept_latest INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
UPDATE artifacts SET latest_of = (SELECT branch FROM runs r WHERE r.id = artifacts.run_id
  AND (r.event IS NULL OR r.event NOT IN ('pull_request', 'pull_request_review', 'pull_request_review_comment',
    'merge_request_event', 'external_pull_request_event')));
--> statement-breakpoint
CREATE INDEX artifacts_latest ON artifacts (project_id, name, latest_of, id) WHERE latest_of IS NOT NULL;
--> statement-breakpoint
CREATE INDEX artifacts_kept_latest ON artifacts (project_id, name, latest_of) WHERE removed_at IS NULL AND kept_latest = 1;
