-- When every copy of the pack was last read back and judged; 0: not since it was written.
ALTER TABLE packs ADD COLUMN verified_at INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
CREATE INDEX packs_by_verification ON packs (max(verified_at, created_at), id) WHERE state = 1;
