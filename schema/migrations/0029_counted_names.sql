-- Artifacts of one name are counted from the index alone.
DROP INDEX artifacts_by_name;
--> statement-breakpoint
CREATE INDEX artifacts_by_name ON artifacts (project_id, name, id, removed_at, ends_at);
