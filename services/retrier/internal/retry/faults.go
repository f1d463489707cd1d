package retry

// Fault points between what is decided and the transaction that stores it; those of the transactions are named by package store.
const (
	pointDecided = "retrier.take.after_decide"
	pointPicked  = "retrier.regroup.after_pick"
	pointBuilt   = "retrier.regroup.after_build"
	pointOrdered = "retrier.replay.after_read"
)
