-- To count them for every scrape of the metrics.
CREATE INDEX artifacts_damaged ON artifacts (id) WHERE state = 'damaged';
