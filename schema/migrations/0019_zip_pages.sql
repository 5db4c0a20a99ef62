-- What the pages of entries come to in a generated zip, so that a range far behind is found without what comes before it.
ALTER TABLE artifacts ADD COLUMN zip_pages BLOB;
