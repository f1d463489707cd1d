package extract

import "context"

// Freer drops the rows of chunks that nobody needs any more.
type Freer struct{ Deps }

// Pass frees some chunks and says how many.
func (f *Freer) Pass(ctx context.Context) (int, error) {
	n, err := f.Store.Free(ctx)
	if n > 0 {
		f.Metrics.freed.Add(float64(n))
		f.Logger.DebugContext(ctx, "rows of reconciled chunks dropped", "chunks", n)
	}
	return n, err
}
