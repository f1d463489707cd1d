package store

// Names of the fault points around each move's commit: ".before_commit" and ".after_commit" are added to them.
const (
	PointTake    = "retrier.take"
	PointResolve = "retrier.resolve"
	PointReplay  = "retrier.replay"
	PointRegroup = "retrier.regroup"
	PointFree    = "retrier.free"
	PointLetters = "retrier.letters"
	PointPause   = "retrier.pause"
)
