-- More facts of a run: its number within its workflow, its pull request, the head of that, and who started it.
ALTER TABLE runs ADD COLUMN ordinal INTEGER;
--> statement-breakpoint
ALTER TABLE runs ADD COLUMN pull_request INTEGER;
--> statement-breakpoint
ALTER TABLE runs ADD COLUMN head_sha TEXT;
--> statement-breakpoint
ALTER TABLE runs ADD COLUMN actor TEXT;
