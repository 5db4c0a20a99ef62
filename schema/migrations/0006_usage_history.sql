-- What was stored at past instants: of the whole store (`scope` 0) at the end of each hour that is over, of a project at
-- the end of each day, only where something changed. `slot`: when the hour or day began. `noted_at`: when the last change in
-- it was noted. The others as in `totals`.
CREATE TABLE usage_points (
  scope INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  noted_at INTEGER NOT NULL,
  logical_bytes INTEGER NOT NULL,
  chunk_bytes INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL,
  PRIMARY KEY (scope, slot)
) WITHOUT ROWID;
