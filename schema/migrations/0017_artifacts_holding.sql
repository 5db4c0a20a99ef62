-- What holds a manifest, without its tombstones: live artifacts come first, then those that can be taken back.
CREATE INDEX artifacts_holding ON artifacts (manifest_id, releasable_at) WHERE removed_at IS NULL OR releasable_at IS NOT NULL;
