package reconcile

import (
	"context"
	"log/slog"
	"time"
)

// Ages of a submitted job without an outcome. Salesforce keeps results for seven days (Bulk API 2.0 Developer Guide, "Limits"): what is not read
// by then is known by look-ups only, or not at all.
const (
	ageWarn = 24 * time.Hour
	agePage = 72 * time.Hour
)

// Ages tells of jobs that were submitted long ago and are not reconciled, whoever they wait for: a warning from a day on, an error from three.
// The gauges are always right; a pipeline is told in the log once per call, so that the caller's interval bounds the lines.
func (r *Reconciler) Ages(ctx context.Context) (int, error) {
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return 0, err
	}
	told := 0
	for _, bound := range []struct {
		label string
		age   time.Duration
	}{{"72h", agePage}, {"24h", ageWarn}} {
		old, err := r.cfg.Store.Unreconciled(ctx, now.Add(-bound.age))
		if err != nil {
			return 0, err
		}
		chunks := 0
		for _, o := range old {
			chunks += o.Chunks
			age := now.Sub(o.Oldest)
			level := slog.LevelWarn
			if bound.age == agePage {
				level = slog.LevelError
			} else if age >= agePage {
				continue // told as an error
			}
			told++
			r.cfg.Logger.Log(ctx, level, "jobs are not reconciled although they were submitted long ago; Salesforce keeps their results for 7 days",
				"pipeline", o.Pipeline, "org", o.Org, "chunks", o.Chunks, "oldest_submitted_at", o.Oldest, "age_hours", int(age.Hours()))
		}
		r.metrics.old.WithLabelValues(bound.label).Set(float64(chunks))
	}
	return told, nil
}
