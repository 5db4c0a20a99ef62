-- Who reads: a download, a fetch, a backup. While `until` has not passed, the rows of its artifact stay, and so does every
-- pack that died when this id was given out already (`packs.last_reader`). artifact_id null: reads across artifacts.
CREATE TABLE read_leases (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  artifact_id INTEGER REFERENCES artifacts (id),
  started_at INTEGER NOT NULL,
  until INTEGER NOT NULL
);
--> statement-breakpoint
CREATE INDEX read_leases_by_artifact ON read_leases (artifact_id, until);
--> statement-breakpoint
CREATE INDEX read_leases_by_end ON read_leases (until);
--> statement-breakpoint
-- Of a removed artifact that still holds its rows: when it may let go of them, which is when undo ends. Null for live ones
-- and for those that have let go.
ALTER TABLE artifacts ADD COLUMN releasable_at INTEGER;
--> statement-breakpoint
CREATE INDEX artifacts_releasable ON artifacts (releasable_at, id) WHERE releasable_at IS NOT NULL;
--> statement-breakpoint
CREATE INDEX artifacts_removed ON artifacts (removed_at) WHERE removed_at IS NOT NULL;
--> statement-breakpoint
DROP INDEX artifacts_uncleared;
--> statement-breakpoint
CREATE INDEX artifacts_uncleared ON artifacts (id)
  WHERE removed_at IS NOT NULL AND releasable_at IS NULL AND content_id IS NOT NULL;
--> statement-breakpoint
CREATE INDEX uploads_by_artifact ON uploads (artifact_id);
--> statement-breakpoint
-- When nothing in the pack was alive any more, and the newest read lease given out by then.
ALTER TABLE packs ADD COLUMN died_at INTEGER;
--> statement-breakpoint
ALTER TABLE packs ADD COLUMN last_reader INTEGER;
--> statement-breakpoint
-- Dead bytes, framing shared evenly as in pack-counters.ts. Compared with a constant, because SQLite finds a partial index
-- by no comparison of an expression with a column.
CREATE INDEX packs_half_dead ON packs (id) WHERE state = 1 AND live_count > 0
  AND (size_bytes - live_bytes - (size_bytes - copy_bytes) * live_count / copy_count) * 2 - size_bytes > 0;
--> statement-breakpoint
CREATE INDEX packs_partly_dead ON packs (id) WHERE state = 1 AND live_count > 0
  AND (size_bytes - live_bytes - (size_bytes - copy_bytes) * live_count / copy_count) * 20 - size_bytes > 0;
--> statement-breakpoint
CREATE INDEX packs_tiny ON packs (id) WHERE state = 1 AND live_count > 0 AND size_bytes < 4194304
  AND copy_count < 4096;
--> statement-breakpoint
-- Overrides of the server's settings; null follows them.
ALTER TABLE projects ADD COLUMN retention_default_ms INTEGER;
--> statement-breakpoint
ALTER TABLE projects ADD COLUMN retention_min_ms INTEGER;
--> statement-breakpoint
ALTER TABLE projects ADD COLUMN retention_max_ms INTEGER;
--> statement-breakpoint
ALTER TABLE projects ADD COLUMN quota_bytes INTEGER;
