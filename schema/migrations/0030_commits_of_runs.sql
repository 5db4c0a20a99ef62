-- Runs of a commit or of a pull request, which a job looks up by the one or the other.
CREATE INDEX runs_by_commit ON runs (project_id, coalesce(head_sha, sha), id);
--> statement-breakpoint
CREATE INDEX runs_by_pull_request ON runs (project_id, pull_request, id) WHERE pull_request IS NOT NULL;
