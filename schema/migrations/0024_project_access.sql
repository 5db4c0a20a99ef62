-- The projects of a token for several.
ALTER TABLE minted_tokens ADD COLUMN access TEXT NOT NULL DEFAULT '[]';
