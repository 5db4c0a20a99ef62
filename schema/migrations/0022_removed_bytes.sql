-- Logical bytes of removed artifacts whose rows are still kept: while a deletion can be undone, and while they are being read.
ALTER TABLE totals ADD COLUMN removed_bytes INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
UPDATE totals SET removed_bytes = (
  SELECT coalesce(sum(m.logical_bytes), 0) FROM artifacts a INDEXED BY artifacts_releasable
    CROSS JOIN manifests m ON m.id = a.manifest_id
  WHERE a.releasable_at IS NOT NULL AND (totals.scope = 0 OR a.project_id = totals.scope)
);
