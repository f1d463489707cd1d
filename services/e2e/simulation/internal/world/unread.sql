-- The jobs that the poller saw end and whose results nobody has read.
SELECT job_id FROM poller.watches WHERE state = 'finished' AND reconciled_at IS NULL
