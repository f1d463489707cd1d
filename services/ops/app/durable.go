package app

import (
	"context"
	"fmt"

	"bulkhead/libs/bus"
)

// durable refuses a broker that tells at its monitoring address that it could lose what it acknowledges. One that does not tell is waited for by nobody:
// streams are made all the same, and `bulkhead doctor` calls it unknown.
func (a *App) durable(ctx context.Context) error {
	for _, address := range bus.Monitors(a.config.NATSMonitor) {
		m, err := bus.Monitor(ctx, address)
		if err != nil {
			a.env.Logger.WarnContext(ctx, "whether the broker syncs before it acknowledges is not known", "error", err)
			continue
		}
		if err := m.Check(); err != nil {
			return fmt.Errorf("ops: %w", err)
		}
	}
	return nil
}
