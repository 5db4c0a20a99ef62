-- What a runner told of a run besides its artifacts. `recording` names the telling: another one that begins anew replaces
-- it. Events up to `next_sequence` are in. `row_count`: jobs and steps. `log_bytes`: see src/metadata/log-page.ts.
CREATE TABLE run_records (
  run_id INTEGER PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  recording TEXT NOT NULL,
  next_sequence INTEGER NOT NULL,
  conclusion TEXT,
  started_at INTEGER,
  duration_ms INTEGER,
  updated_at INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  log_bytes INTEGER NOT NULL
);
--> statement-breakpoint
CREATE INDEX run_records_by_update ON run_records (updated_at);
--> statement-breakpoint
-- `key` is unique in the run; the jobs of a matrix share one `job`.
CREATE TABLE run_jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  job TEXT NOT NULL,
  name TEXT NOT NULL,
  conclusion TEXT,
  started_at INTEGER,
  duration_ms INTEGER,
  log_bytes INTEGER NOT NULL,
  log_lines INTEGER NOT NULL,
  log_cut INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX run_jobs_key ON run_jobs (run_id, key);
--> statement-breakpoint
CREATE TABLE run_steps (
  job_id INTEGER NOT NULL REFERENCES run_jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  conclusion TEXT,
  started_at INTEGER,
  duration_ms INTEGER,
  PRIMARY KEY (job_id, number)
);
--> statement-breakpoint
-- `text_bytes`: of the page before it was deflated.
CREATE TABLE log_pages (
  job_id INTEGER NOT NULL REFERENCES run_jobs (id) ON DELETE CASCADE,
  page INTEGER NOT NULL,
  text_bytes INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (job_id, page)
);
