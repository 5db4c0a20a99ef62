-- How many uploads of a project are under way: stock uploads that are not done, and native ones that have not ended. Triggers
-- count, since rows come and go in many places.
ALTER TABLE projects ADD COLUMN open_uploads INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
UPDATE projects SET open_uploads = open_uploads + open.count
FROM (SELECT project_id, count(*) AS count FROM uploads WHERE state < 2 GROUP BY project_id) AS open
WHERE id = open.project_id;
--> statement-breakpoint
UPDATE projects SET open_uploads = open_uploads + open.count
FROM (SELECT project_id, count(*) AS count FROM sessions WHERE offer IS NOT NULL AND state = 0 GROUP BY project_id) AS open
WHERE id = open.project_id;
--> statement-breakpoint
CREATE TRIGGER upload_began AFTER INSERT ON uploads WHEN new.state < 2 BEGIN
  UPDATE projects SET open_uploads = open_uploads + 1 WHERE id = new.project_id;
END;
--> statement-breakpoint
CREATE TRIGGER upload_done AFTER UPDATE OF state ON uploads WHEN old.state < 2 AND new.state = 2 BEGIN
  UPDATE projects SET open_uploads = open_uploads - 1 WHERE id = new.project_id;
END;
--> statement-breakpoint
CREATE TRIGGER upload_dropped AFTER DELETE ON uploads WHEN old.state < 2 BEGIN
  UPDATE projects SET open_uploads = open_uploads - 1 WHERE id = old.project_id;
END;
--> statement-breakpoint
CREATE TRIGGER offer_began AFTER INSERT ON sessions WHEN new.offer IS NOT NULL AND new.state = 0 BEGIN
  UPDATE projects SET open_uploads = open_uploads + 1 WHERE id = new.project_id;
END;
--> statement-breakpoint
CREATE TRIGGER offer_ended AFTER UPDATE OF state, offer ON sessions
WHEN old.offer IS NOT NULL AND old.state = 0 AND (new.offer IS NULL OR new.state <> 0) BEGIN
  UPDATE projects SET open_uploads = open_uploads - 1 WHERE id = old.project_id;
END;
--> statement-breakpoint
-- Whose recording it is, where the project is strict.
ALTER TABLE run_records ADD COLUMN job TEXT;
--> statement-breakpoint
-- False from when more is told of a run until its artifacts are where that says.
ALTER TABLE runs ADD COLUMN is_latest_settled INTEGER NOT NULL DEFAULT 1;
--> statement-breakpoint
CREATE INDEX runs_unsettled ON runs (id) WHERE is_latest_settled = 0;
