-- Leases of manifests that changes are applied to. Unlike other leases they do not prevent damaged content
-- from healing, because nothing measured is taken from these manifests.
ALTER TABLE manifest_leases ADD COLUMN is_base INTEGER NOT NULL DEFAULT 0;
