-- Whether jobs of the project replace and delete only what they made themselves; NULL follows the server.
ALTER TABLE projects ADD COLUMN strict INTEGER;
