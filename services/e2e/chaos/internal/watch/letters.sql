-- Up to which sequence ops has read the stream of letters; 0 = nothing of it.
SELECT coalesce(max(seq), 0) FROM ops.checkpoints WHERE reader = 'dlq'
