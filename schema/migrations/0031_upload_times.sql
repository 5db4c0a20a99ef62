-- What was uploaded on each day, for the page of all projects, is read from this index alone.
CREATE INDEX artifacts_by_time ON artifacts (project_id, created_at, logical_bytes);
