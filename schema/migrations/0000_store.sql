CREATE TABLE projects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_repo TEXT NOT NULL COLLATE NOCASE,
  on_conflict TEXT,
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX projects_name ON projects (owner_repo);
--> statement-breakpoint
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  number INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  branch TEXT,
  sha TEXT,
  workflow TEXT,
  event TEXT,
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX runs_identity ON runs (number, project_id, attempt);
--> statement-breakpoint
CREATE INDEX runs_by_project ON runs (project_id, id);
--> statement-breakpoint
-- An ingest in progress. Its number also names the rows that its artifact takes over (`content_id`), so it is never
-- used twice. state: 0 live, 1 committed, 2 aborted; the last two only until their leases are taken away.
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  state INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  leased_until INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX sessions_name ON sessions (name);
--> statement-breakpoint
CREATE INDEX sessions_by_lease ON sessions (leased_until);
--> statement-breakpoint
-- state: 0 being registered, 1 whole, 2 claimed for deletion. copy_* count every copy that the file holds, live_* those
-- with a stream row.
CREATE TABLE packs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  state INTEGER NOT NULL,
  session_id INTEGER NOT NULL,
  copy_count INTEGER NOT NULL,
  copy_bytes INTEGER NOT NULL,
  live_count INTEGER NOT NULL,
  live_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX packs_name ON packs (name);
--> statement-breakpoint
CREATE INDEX packs_by_session ON packs (session_id);
--> statement-breakpoint
CREATE INDEX packs_empty ON packs (id) WHERE live_count = 0;
--> statement-breakpoint
-- state: 0 live, 1 damaged, 2 a composite being registered, 3 gone (condemned by sweep, or replaced by a newer row), 4 gone
-- and damaged. Only the first two hold the digest, so content that comes again while its old row is going gets a new one.
CREATE TABLE blobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  crc32 INTEGER NOT NULL,
  state INTEGER NOT NULL,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  copy_stream_id INTEGER,
  joining_stream_id INTEGER,
  part_count INTEGER NOT NULL,
  joined_bytes INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX blobs_digest ON blobs (digest) WHERE state < 2;
--> statement-breakpoint
CREATE INDEX blobs_damaged ON blobs (id) WHERE state IN (1, 4);
--> statement-breakpoint
-- Equal bytes can be stored under two codecs for two blobs (a file that is itself a deflate stream), hence the pair.
-- state: 0 live, 1 damaged.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest BLOB NOT NULL,
  codec INTEGER NOT NULL,
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  pack_id INTEGER NOT NULL REFERENCES packs (id),
  "offset" INTEGER NOT NULL,
  length_bytes INTEGER NOT NULL,
  checks BLOB NOT NULL,
  state INTEGER NOT NULL,
  verified_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX streams_digest ON streams (digest, codec);
--> statement-breakpoint
CREATE INDEX streams_damaged ON streams (id) WHERE state = 1;
--> statement-breakpoint
CREATE INDEX streams_by_blob ON streams (blob_id);
--> statement-breakpoint
CREATE INDEX streams_by_pack ON streams (pack_id, "offset");
--> statement-breakpoint
CREATE TABLE composite_parts (
  composite_id INTEGER NOT NULL REFERENCES blobs (id),
  ordinal INTEGER NOT NULL,
  part_id INTEGER NOT NULL REFERENCES blobs (id),
  PRIMARY KEY (composite_id, ordinal)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX composite_parts_by_part ON composite_parts (part_id, composite_id);
--> statement-breakpoint
-- state: 0 staged by a session, 1 live, 2 retired (its artifacts use it, nothing new does), 3 dying, 4 emptied.
CREATE TABLE manifests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  tree_digest BLOB NOT NULL,
  entry_count INTEGER NOT NULL,
  file_count INTEGER NOT NULL,
  logical_bytes INTEGER NOT NULL,
  state INTEGER NOT NULL,
  session_id INTEGER,
  page_count INTEGER NOT NULL,
  staged_entries INTEGER NOT NULL,
  fresh_bytes INTEGER NOT NULL,
  project_fresh_bytes INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX manifests_live ON manifests (project_id, tree_digest) WHERE state = 1;
--> statement-breakpoint
CREATE INDEX manifests_staged ON manifests (session_id) WHERE state = 0;
--> statement-breakpoint
CREATE INDEX manifests_dying ON manifests (id) WHERE state = 3;
--> statement-breakpoint
-- Paths are UTF-8 bytes, so that their order is `comparePaths`; `bytes` is of src/metadata/manifest-page.ts.
CREATE TABLE manifest_pages (
  manifest_id INTEGER NOT NULL REFERENCES manifests (id),
  page INTEGER NOT NULL,
  entry_count INTEGER NOT NULL,
  first_path BLOB NOT NULL,
  last_path BLOB NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (manifest_id, page)
);
--> statement-breakpoint
CREATE INDEX manifest_pages_by_path ON manifest_pages (manifest_id, first_path);
--> statement-breakpoint
-- What deletion counts: a blob with a row here is never deleted, whatever the state of the manifest.
CREATE TABLE "references" (
  manifest_id INTEGER NOT NULL REFERENCES manifests (id),
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  project_id INTEGER NOT NULL,
  PRIMARY KEY (manifest_id, blob_id)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX references_by_blob ON "references" (blob_id, project_id);
--> statement-breakpoint
CREATE TABLE leases (
  session_id INTEGER NOT NULL REFERENCES sessions (id),
  blob_id INTEGER NOT NULL REFERENCES blobs (id),
  PRIMARY KEY (session_id, blob_id)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX leases_by_blob ON leases (blob_id);
--> statement-breakpoint
CREATE TABLE manifest_leases (
  session_id INTEGER NOT NULL REFERENCES sessions (id),
  manifest_id INTEGER NOT NULL REFERENCES manifests (id),
  PRIMARY KEY (session_id, manifest_id)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX manifest_leases_by_manifest ON manifest_leases (manifest_id);
--> statement-breakpoint
-- Blobs that lost a reference, a lease or a composite: the only candidates of sweep.
CREATE TABLE touched_blobs (
  blob_id INTEGER PRIMARY KEY NOT NULL REFERENCES blobs (id) ON DELETE CASCADE
);
--> statement-breakpoint
-- Streams found damaged or healed, as long as the artifacts that hold them do not all know.
CREATE TABLE altered_streams (
  stream_id INTEGER PRIMARY KEY NOT NULL REFERENCES streams (id) ON DELETE CASCADE
);
--> statement-breakpoint
-- `ends_at` is `expires_at`, or the end of time for a pinned artifact. `content_id` is the number of the session that
-- made the artifact; null once a removed artifact's times and skeleton are gone. Live: removed_at IS NULL.
CREATE TABLE artifacts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  run_id INTEGER NOT NULL REFERENCES runs (id),
  job TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  kind TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  file_name TEXT,
  opaque_reason TEXT,
  manifest_id INTEGER NOT NULL REFERENCES manifests (id),
  content_id INTEGER,
  zip_digest BLOB,
  zip_bytes INTEGER NOT NULL,
  tar_gz_bytes INTEGER NOT NULL,
  new_bytes INTEGER NOT NULL,
  logical_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  pinned INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  removed_at INTEGER,
  removed_reason TEXT,
  version INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX artifacts_held_name ON artifacts (run_id, name) WHERE removed_at IS NULL;
--> statement-breakpoint
CREATE INDEX artifacts_by_run ON artifacts (run_id, id);
--> statement-breakpoint
CREATE INDEX artifacts_live ON artifacts (project_id, id) WHERE removed_at IS NULL;
--> statement-breakpoint
CREATE INDEX artifacts_by_name ON artifacts (project_id, name, id);
--> statement-breakpoint
CREATE INDEX artifacts_by_manifest ON artifacts (manifest_id);
--> statement-breakpoint
CREATE INDEX artifacts_by_content ON artifacts (content_id);
--> statement-breakpoint
CREATE INDEX artifacts_ending ON artifacts (ends_at, id) WHERE removed_at IS NULL;
--> statement-breakpoint
CREATE INDEX artifacts_uncleared ON artifacts (id) WHERE removed_at IS NOT NULL AND content_id IS NOT NULL;
--> statement-breakpoint
CREATE TABLE artifact_times (
  content_id INTEGER NOT NULL,
  page INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (content_id, page)
);
--> statement-breakpoint
CREATE TABLE skeleton_pages (
  content_id INTEGER NOT NULL,
  page INTEGER NOT NULL,
  local_offset INTEGER NOT NULL,
  central_offset INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (content_id, page)
);
--> statement-breakpoint
CREATE INDEX skeleton_pages_by_local ON skeleton_pages (content_id, local_offset, page);
--> statement-breakpoint
CREATE INDEX skeleton_pages_by_central ON skeleton_pages (content_id, central_offset, page);
--> statement-breakpoint
-- Streams that an exact zip needs and that no reference protects: a row here keeps stream and blob.
CREATE TABLE skeleton_streams (
  content_id INTEGER NOT NULL,
  stream_id INTEGER NOT NULL REFERENCES streams (id),
  PRIMARY KEY (content_id, stream_id)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX skeleton_streams_by_stream ON skeleton_streams (stream_id);
--> statement-breakpoint
-- state: 0 open, 1 assembled, 2 done.
CREATE TABLE uploads (
  serial INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  run_id INTEGER NOT NULL REFERENCES runs (id),
  job TEXT NOT NULL,
  name TEXT NOT NULL,
  mime_type TEXT,
  requested_expires_at INTEGER,
  state INTEGER NOT NULL,
  block_list_digest BLOB,
  content_type TEXT,
  size_bytes INTEGER,
  artifact_id INTEGER REFERENCES artifacts (id),
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX uploads_id ON uploads (id);
--> statement-breakpoint
CREATE INDEX uploads_by_name ON uploads (run_id, name, serial);
--> statement-breakpoint
CREATE INDEX uploads_unfinished ON uploads (created_at) WHERE state < 2;
--> statement-breakpoint
-- Rollups, changed in the transactions that change what they count. scope: a project's id, or 0 for the whole store.
CREATE TABLE totals (
  scope INTEGER PRIMARY KEY NOT NULL,
  artifacts INTEGER NOT NULL DEFAULT 0,
  files INTEGER NOT NULL DEFAULT 0,
  logical_bytes INTEGER NOT NULL DEFAULT 0,
  unique_bytes INTEGER NOT NULL DEFAULT 0,
  chunk_bytes INTEGER NOT NULL DEFAULT 0,
  stored_bytes INTEGER NOT NULL DEFAULT 0,
  packs INTEGER NOT NULL DEFAULT 0,
  live_bytes INTEGER NOT NULL DEFAULT 0
);
--> statement-breakpoint
INSERT INTO totals (scope) VALUES (0);
