-- What earlier versions left, and nothing came to again: packs whose registration was cut short, which no session fills any
-- more; blobs that count as damaged, and artifacts that hold them, though their streams are sound.
UPDATE packs SET state = 1
WHERE state = 0 AND NOT EXISTS (SELECT 1 FROM sessions n WHERE n.id = packs.session_id AND n.state = 0);
--> statement-breakpoint
UPDATE blobs SET state = iif(state = 1, 0, 3)
WHERE state IN (1, 4) AND NOT CASE WHEN copy_stream_id IS NULL
  THEN EXISTS (SELECT 1 FROM composite_parts c
    CROSS JOIN blobs q ON q.id = c.part_id
    CROSS JOIN streams s ON s.id = q.joining_stream_id
    WHERE c.composite_id = blobs.id AND s.state = 1)
  ELSE EXISTS (SELECT 1 FROM streams s WHERE s.id = blobs.copy_stream_id AND s.state = 1) END;
--> statement-breakpoint
UPDATE artifacts SET state = 'available'
WHERE state = 'damaged' AND removed_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM blobs b INDEXED BY blobs_damaged
    CROSS JOIN "references" r ON r.manifest_id = artifacts.manifest_id AND r.blob_id = b.id
    WHERE b.state IN (1, 4))
  AND NOT EXISTS (SELECT 1 FROM streams s INDEXED BY streams_damaged
    CROSS JOIN skeleton_streams k ON k.content_id = artifacts.content_id AND k.stream_id = s.id
    WHERE s.state = 1);
