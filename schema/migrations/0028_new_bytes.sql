-- Bytes that the uploads of live artifacts added, so that the sums of a project are not counted artifact by artifact.
ALTER TABLE totals ADD COLUMN new_bytes INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
UPDATE totals SET new_bytes = (
  SELECT coalesce(sum(a.new_bytes), 0) FROM artifacts a INDEXED BY artifacts_live
  WHERE a.removed_at IS NULL AND a.project_id = totals.scope
) WHERE scope > 0;
--> statement-breakpoint
UPDATE totals SET new_bytes = (SELECT coalesce(sum(t.new_bytes), 0) FROM totals t WHERE t.scope > 0) WHERE scope = 0;
