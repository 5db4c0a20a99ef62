-- How often rollups have been set right, so that of two that found them off at once only one adds the difference.
ALTER TABLE store ADD COLUMN reconciliations INTEGER NOT NULL DEFAULT 0;
