-- Whether the reader of a pipeline stopped, and waits for a person.
SELECT coalesce(stopped_code, '') <> '' FROM extractor.readers WHERE pipeline = $1
