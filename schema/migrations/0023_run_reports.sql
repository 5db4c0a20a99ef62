-- What the steps of recorded jobs report besides their logs. `summary_bytes`: text of the job's summaries.
ALTER TABLE run_jobs ADD COLUMN summary_bytes INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- Messages that runners keep beside the log. `number` counts those of the job; `step` 0: the job itself.
CREATE TABLE annotations (
  job_id INTEGER NOT NULL REFERENCES run_jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  step INTEGER NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL,
  title TEXT,
  file TEXT,
  line INTEGER,
  end_line INTEGER,
  "column" INTEGER,
  end_column INTEGER,
  PRIMARY KEY (job_id, number)
);
--> statement-breakpoint
-- Summaries of steps, in Markdown. `text_bytes`: of the page before it was deflated. `is_cut`: what followed was dropped.
CREATE TABLE summary_pages (
  job_id INTEGER NOT NULL REFERENCES run_jobs (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  page INTEGER NOT NULL,
  text_bytes INTEGER NOT NULL,
  is_cut INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (job_id, step, page)
);
