-- name: WaitingByPipeline :many
SELECT pipeline, count(*) AS records FROM retrier.waiting GROUP BY pipeline ORDER BY pipeline;

-- name: WaitingByClass :many
SELECT pipeline, class, count(*) AS records FROM retrier.waiting GROUP BY pipeline, class ORDER BY pipeline, class;

-- name: Pauses :many
SELECT id, pipeline, code FROM retrier.pauses;

-- name: InsertPause :execrows
INSERT INTO retrier.pauses (id, pipeline, class, code, message)
SELECT @id, @pipeline, @class, @code, @message
WHERE NOT EXISTS (SELECT 1 FROM retrier.pauses p WHERE p.pipeline = @pipeline AND p.code = @code);

-- name: DeletePause :execrows
DELETE FROM retrier.pauses WHERE id = @id;
