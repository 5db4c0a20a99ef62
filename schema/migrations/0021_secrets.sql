-- Credentials in artifacts (lifecycle/look-for-secrets.ts): which trees have been looked at, by which version of the rules, and
-- what they hold; what is known of contents, so that each is looked at once; and what somebody said is no secret.
ALTER TABLE manifests ADD COLUMN secret_rules INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manifests ADD COLUMN secrets_passed_over INTEGER NOT NULL DEFAULT 0;
CREATE INDEX manifests_unlooked ON manifests (secret_rules, id DESC) WHERE state IN (1, 2);
CREATE TABLE looked_blobs (
  blob_id INTEGER PRIMARY KEY NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
  rules INTEGER NOT NULL,
  found TEXT
);
CREATE TABLE manifest_secrets (
  manifest_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  line INTEGER NOT NULL,
  kind TEXT NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (manifest_id, path, line)
);
CREATE TABLE dismissed_secrets (
  project_id INTEGER NOT NULL REFERENCES projects (id),
  digest BLOB NOT NULL,
  dismissed_at INTEGER NOT NULL,
  PRIMARY KEY (project_id, digest)
);
