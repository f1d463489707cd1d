package main

import (
	"errors"
	"fmt"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/plan"
)

// drawn is how seeds are expanded for a broker of so many servers.
func drawn(nats int) (func(seed uint64, points []plan.Point) history.Plan, error) {
	switch nats {
	case 1:
		return plan.Draw, nil
	case plan.Nodes:
		return plan.DrawCluster, nil
	default:
		return nil, fmt.Errorf("--nats is %d: 1, or %d for a cluster", nats, plan.Nodes)
	}
}

// plans are the runs that are asked for.
func (o *runFlags) plans(declared []plan.Point, oneSeed bool) ([]history.Plan, error) {
	var out []history.Plan
	draw, err := drawn(o.nats)
	if err != nil {
		return nil, err
	}
	switch {
	case o.planFile != "":
		p, err := history.ReadJSON[history.Plan](o.planFile)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	case o.kept:
		seeds, err := kept()
		if err != nil {
			return nil, err
		}
		for _, k := range seeds {
			out = append(out, plan.Draw(k.seed, declared))
		}
	case oneSeed:
		out = append(out, draw(o.seed, declared))
	case o.points:
		out = plan.Sweep(o.first, declared)
	case o.seeds < 1 || o.jobs < 1:
		return nil, errors.New("--seeds and --jobs must be at least 1")
	default:
		for i := range uint64(o.seeds) {
			out = append(out, draw(o.first+i, declared))
		}
	}
	for i := range out {
		if o.planted != "" {
			out[i].Planted = o.planted
		}
	}
	return out, nil
}
