-- The clock when it was last believed. A start compares it with the clock that it finds, which can be wrong then.
ALTER TABLE store ADD COLUMN believed_at INTEGER;
