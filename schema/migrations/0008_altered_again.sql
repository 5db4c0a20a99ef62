-- How often the stream has altered since it was noted, so that whoever has worked the note off sees whether that was all.
ALTER TABLE altered_streams ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
