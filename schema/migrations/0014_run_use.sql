-- When somebody last uploaded to the run or told of it, to the hour: what nothing is kept of is forgotten some time after that.
ALTER TABLE runs ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
UPDATE runs SET used_at = created_at;
