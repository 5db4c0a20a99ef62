-- To find what a branch has built among all runs of a project.
CREATE INDEX runs_by_branch ON runs (project_id, branch, id);
--> statement-breakpoint
-- To list what a project has had; written when an artifact is removed.
CREATE INDEX artifacts_gone ON artifacts (project_id, id) WHERE removed_at IS NOT NULL;
