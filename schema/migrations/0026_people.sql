-- People who signed in through the identity provider. `rules`: JSON, the left-hand sides of the rules that
-- their claims matched the last time.
CREATE TABLE people (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  rules TEXT NOT NULL,
  signed_in_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE INDEX people_signed_in ON people (signed_in_at);
--> statement-breakpoint
ALTER TABLE minted_tokens ADD COLUMN person_id TEXT;
--> statement-breakpoint
CREATE INDEX minted_tokens_person ON minted_tokens (person_id, number) WHERE person_id IS NOT NULL;
--> statement-breakpoint
-- Whose revocations these count as, where no project has them: a person, or the token for several projects.
ALTER TABLE revoked_tokens ADD COLUMN holder TEXT;
--> statement-breakpoint
DROP INDEX revoked_tokens_project;
--> statement-breakpoint
CREATE INDEX revoked_tokens_project ON revoked_tokens (project, holder);
